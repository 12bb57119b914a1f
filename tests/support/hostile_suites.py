"""A small suite whose ids, titles and reviews are hostile, run by two recommenders of its own."""

import benchkit as bk
from tests.support.hostile_data import hostile_tables

METHODS = '''
import hashlib
from benchkit import Prediction, Sample


class Hashed:
    """Scores without ties: a hash of case and item."""

    capabilities = frozenset({"scores", "samples", "cold_users"})

    def fit(self, data, run):
        pass

    def predict(self, requests, run):
        for request in requests:
            scores = [self.score(request.case_id, item) for item in request.candidates]
            yield Prediction(request.case_id, scores)

    def sample(self, requests, run):
        for request in requests:
            n = run.decoding["n"]
            best = sorted(request.candidates, key=lambda i: self.score(request.case_id, i))
            yield Prediction(request.case_id, None, tuple(
                Sample(best[k % 3], best[k % 3], "because", "ok") for k in range(n)))

    def score(self, case, item):
        return int(hashlib.sha256(f"{case}/{item}".encode()).hexdigest()[:6], 16) / 2**24


class Close(Hashed):
    """Differences that 32-bit floats lose; every third case is refused."""

    capabilities = frozenset({"scores", "cold_users"})

    def predict(self, requests, run):
        for number, request in enumerate(requests):
            scores = [1e9 + self.score(request.case_id, item) for item in request.candidates]
            if number % 3 == 2:
                yield Prediction(request.case_id, None, status="refused")
            else:
                yield Prediction(request.case_id, scores)
'''


def run_hostile_suite(folder, **settings):
    """Run both recommenders on the hostile data; return the results."""
    file = folder / "hostile_methods.py"
    file.write_text(METHODS, encoding="utf-8")
    interactions, items = hostile_tables()
    dataset = bk.Dataset.from_polars(
        interactions, items, name="odd", duplicates="keep", similar_ids="keep",
        rating_scale=(0, 5), candidates={"count": 6}, **settings.pop("dataset", {}),
    )  # fmt: skip
    rows = [{"method": f"{file}:{name}", "label": label} for name, label in LABELS.items()]
    suite = bk.Suite(
        name="hostile", title="Hostile", datasets=[dataset], methods=rows,
        **{
            "metrics": ["hr@1", "hr@5", "ndcg@5", "mrr"], "protocols": ["scored", "sampled"],
            **settings,
        },
    )  # fmt: skip
    return bk.run(
        suite, store=folder / "runs", data=folder / "data", progress=False, trust=True,
        executor="inline",
    )  # fmt: skip


LABELS = {"Hashed": "by hash ☂", "Close": "too/close"}
