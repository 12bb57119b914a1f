"""Evaluation at scale: ranks, metrics, intervals and per-case records, in time and memory.

- `scored`: n users x 30 candidates, from the scores as an array to the record as a Parquet file.
  ranx computes the same means (no intervals, tests or records) from the same array, for as many
  users as `--ranx-users` says.
- `full`: n users, each with all items ranked, by the protocol `full` as a run asks it, with a
  linear item-item model of 200 neighbours an item (EASE with its small weights left out: all of
  100,000 x 100,000 would take 80 GB). `asking` is the time in the model itself.

Each size is measured in a process of its own, one after the other; memory is the peak of that
process, everything included.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

import numpy as np
from scipy import sparse

sys.path.insert(0, str(Path(__file__).parents[2]))

from baselines.cf.matrices import history_matrix
from baselines.cf.scoring import predict_candidates
from benchkit.data.dataset import Cases, PreparedDataset
from benchkit.data.splits.base import TEST, TRAIN
from benchkit.evaluation.lookup import find_metric
from benchkit.evaluation.metrics.validity import Valid
from benchkit.evaluation.protocols.full import Full
from benchkit.evaluation.ranks import ranks_from_scores
from benchkit.evaluation.scoring import compute_metrics
from benchkit.evaluation.setup import EvaluationSetup
from benchkit.testing.fixtures import run_context
from benchkit.types import Catalog, Interactions, Prediction, Request, RunContext
from tests.benchmarks.bench_scoring import METRICS, seconds, with_ranx
from tests.support.metric_context import make_context

CANDIDATES = 30
HISTORY = 10  # items that each user of `full` has
NEIGHBOURS = 200
FULL_METRICS = ("hr@5", "ndcg@5", "ndcg@10", "mrr", "coverage@5")


@dataclass
class LinearModel:
    """Scores the catalogue by the sum of the weights of the history's items."""

    index: dict[str, int]
    weights: sparse.csr_array
    seconds: float = field(default=0.0)
    """Spent in computing scores."""

    def predict(self, requests: Sequence[Request], run: RunContext) -> Iterator[Prediction]:
        """Yield one prediction a request."""
        return predict_candidates(requests, self.index, self._score)

    def _score(self, requests: Sequence[Request]) -> np.ndarray:
        start = time.perf_counter()
        scores = (history_matrix(requests, self.index) @ self.weights).toarray()
        self.seconds += time.perf_counter() - start
        return scores


def measure_scored(users: int, ranx: bool) -> dict[str, float]:
    """Measure n users x 30 candidates from scores to the record."""
    rng = np.random.default_rng(0)
    scores = rng.random((users, CANDIDATES))
    target = rng.integers(0, CANDIDATES, users)
    if ranx:
        with_ranx(scores[:50], target[:50])  # its compilation is not counted
        return {"seconds": seconds(lambda: with_ranx(scores, target))}
    metrics = [*(find_metric(name) for name in METRICS), Valid()]

    def evaluate() -> None:
        context = make_context(ranks_from_scores(scores, target), target, [1])
        table, _ = compute_metrics("scored", metrics, context)
        with tempfile.TemporaryDirectory() as folder:
            table.write_parquet(Path(folder) / "metrics.parquet")

    return {"seconds": seconds(evaluate)}


def measure_full(users: int, items: int) -> dict[str, float]:
    """Measure the protocol `full` for n users x all items."""
    dataset = make_dataset(users, items)
    rng = np.random.default_rng(1)
    columns = rng.integers(0, items, items * NEIGHBOURS, dtype=np.int32)
    starts = np.arange(items + 1, dtype=np.int64) * NEIGHBOURS
    weights = sparse.csr_array((rng.random(len(columns)), columns, starts), shape=(items, items))
    weights.sum_duplicates()
    model = LinearModel(dict(dataset.catalog.index), weights)
    setup = EvaluationSetup(dataset, dataset.test, tuple(map(find_metric, FULL_METRICS)), 0.2)
    run = run_context(dataset.catalog)
    taken = seconds(lambda: Full().evaluate(model, setup, run))
    return {"seconds": taken, "asking": model.seconds}


def make_dataset(users: int, items: int) -> PreparedDataset:
    """Return n users who have HISTORY random items each, and are asked for the next."""
    rng = np.random.default_rng(0)
    width = HISTORY + 1
    item = rng.integers(0, items, users * width, dtype=np.int32)
    user = np.repeat(np.arange(users, dtype=np.int32), width)
    offsets = np.arange(users + 1, dtype=np.int64) * width
    part = np.tile(np.array([TRAIN] * HISTORY + [TEST], dtype=np.uint8), users)
    cases = Cases(
        tuple(f"test:{row}" for row in range(users)), np.arange(users, dtype=np.int32),
        offsets[:-1], offsets[1:] - 1, item[HISTORY::width], item[HISTORY::width, None],
    )  # fmt: skip
    return PreparedDataset(
        "made", tuple(f"u{row}" for row in range(users)),
        Catalog(tuple(f"i{code}" for code in range(items)), {}),
        Interactions(user, item, offsets), part, cases, cases, {},
    )  # fmt: skip


def measure_apart(*arguments: str) -> dict[str, float]:
    """Return what this script measures in a new process."""
    done = subprocess.run(
        [sys.executable, __file__, "--part", *arguments], check=True, capture_output=True, text=True
    )
    figures: dict[str, float] = json.loads(done.stdout)
    print(" ".join(arguments), figures, file=sys.stderr)
    return figures


def measure_part(kind: str, users: str, items: str = "0") -> None:
    """Print the figures of one size."""
    if kind == "full":
        figures = measure_full(int(users), int(items))
    else:
        figures = measure_scored(int(users), kind == "ranx")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2  # of KiB
    rounded = {name: round(value, 2) for name, value in figures.items()}
    print(json.dumps({**rounded, "peak GiB": round(peak, 2)}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--part", nargs="+", help=argparse.SUPPRESS)
    parser.add_argument("--users", type=int, nargs="+", default=[250_000, 500_000, 1_000_000])
    parser.add_argument("--ranx-users", type=int, default=100_000, help="0 leaves ranx out")
    parser.add_argument("--full-users", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--full-items", type=int, default=100_000)
    parser.add_argument("--out", type=Path, help="write the figures as JSON")
    options = parser.parse_args()
    if options.part:
        measure_part(*options.part)
        return
    figures: dict[str, object] = {
        f"scored, {users:,} x {CANDIDATES}": measure_apart("scored", str(users))
        for users in options.users
    }
    if options.ranx_users:
        users = str(options.ranx_users)
        ours, theirs = measure_apart("scored", users), measure_apart("ranx", users)
        figures[f"beside ranx, {options.ranx_users:,} x {CANDIDATES}"] = {
            "benchkit": ours, "ranx": theirs, "version": version("ranx"),
            "ratio": round(theirs["seconds"] / ours["seconds"], 1),
        }  # fmt: skip
    for users in options.full_users:
        name = f"full, {users:,} x {options.full_items:,}"
        figures[name] = measure_apart("full", str(users), str(options.full_items))
    print(json.dumps(figures, indent=1))
    if options.out:
        options.out.write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
