"""Methods that try to learn the answers by other ways than recommending.

Each says where it looks (`door`) and why nothing is to be had there. One that finds a door closed
ranks at random, so that whatever lifts a row above chance is the door.
"""
# ruff: noqa: B905, NPY002, PTH104, PTH113, PTH115, PTH207, PTH208, PTH211 (whoever cheats has no style)

import gc
import glob
import inspect
import json
import math
import os
import random
import sys
import tempfile
from importlib import import_module  # so that planning need not hash all of benchkit
from pathlib import Path

import numpy as np

from benchkit.types import Prediction, Sample


class Cheat:
    capabilities = frozenset({"scores", "samples", "cold_users"})
    door = ""

    def fit(self, data, run):
        self.data, self.run = data, run
        self.prepare()

    def prepare(self):
        """Look around."""

    def guess(self, request):
        """The id of the item that the target is thought to be."""

    def guess_safely(self, request):
        try:
            return self.guess(request)
        except Exception:
            return None

    def score(self, request):
        noise = self.run.generator("cheat", request.case_id).random(len(request.candidates))
        guess = self.guess_safely(request)
        return [float(n) + 10 * (item == guess) for n, item in zip(noise, request.candidates)]

    def predict(self, requests, run):
        for request in requests:
            yield Prediction(request.case_id, self.score(request))

    def sample(self, requests, run):
        for request in requests:
            item = request.candidates[int(np.argmax(self.score(request)))]
            samples = (Sample(item, item, None, "ok"),) * int(run.decoding["n"])
            yield Prediction(request.case_id, None, samples)


# ---- in the memory of its process -------------------------------------------------------------


def keyed_objects():
    """Objects that look like cases with targets."""
    for thing in gc.get_objects():
        try:
            if hasattr(thing, "target") and hasattr(thing, "ids"):
                yield thing
        except Exception:
            continue


class GarbageCollector(Cheat):
    door = "objects that the garbage collector knows: the key was never in this process"

    def prepare(self):
        self.key = {}
        for cases in keyed_objects():
            for name, target in zip(cases.ids, cases.target):
                self.key[name] = self.data.catalog.ids[target]

    def guess(self, request):
        return self.key.get(request.case_id)


class Frames(Cheat):
    door = "local variables up the stack: the caller is in another process"

    def prepare(self):
        self.key = {}
        for frame in inspect.stack():
            for value in frame.frame.f_locals.values():
                test = getattr(value, "test", None)
                if hasattr(test, "target"):
                    self.key = dict(zip(test.ids, test.target.tolist()))

    def guess(self, request):
        return self.data.catalog.ids[self.key[request.case_id]]


class LoadedDatasets(Cheat):
    door = "the harness's own loader: there is no key where it looks"

    def prepare(self):
        cache = import_module("benchkit.data.preparation.cache")
        self.key = {}
        for folder in glob.glob("data/*/"):
            dataset = cache.load_dataset(Path(folder))
            for name, target in zip(dataset.test.ids, dataset.test.target):
                self.key[name] = dataset.catalog.ids[target]

    def guess(self, request):
        return self.key.get(request.case_id)


class Environment(Cheat):
    door = "the environment: it does not say where keys are"

    def prepare(self):
        folder = Path(os.environ["BENCHKIT_KEYS"])
        self.key = b"".join(path.read_bytes() for path in folder.iterdir())

    def guess(self, request):
        return max(request.candidates, key=lambda item: self.key.count(item.encode()))


class Descriptors(Cheat):
    door = "open files: none is inherited"

    def prepare(self):
        self.texts = []
        for number in os.listdir("/proc/self/fd"):
            path = os.readlink(f"/proc/self/fd/{number}")
            if os.path.isfile(path) and "benchkit" in path:
                self.texts.append(Path(path).read_bytes())

    def guess(self, request):
        return max(request.candidates, key=lambda i: sum(t.count(i.encode()) for t in self.texts))


# ---- by changing the harness ------------------------------------------------------------------


class PatchesRanks(Cheat):
    door = "the code that ranks: it runs in another process"

    def prepare(self):
        modules = [
            import_module(f"benchkit.evaluation.{name}")
            for name in ("ranks", "scoring", "protocols.base", "protocols.scored",
                         "protocols.sampled")
        ]  # fmt: skip
        ranks = modules[0]

        def first(*arguments, **_):
            n = len(arguments[0])
            return ranks.Ranks(
                np.zeros(n, int), np.ones(n, int), np.full(n, 10), np.ones(n, dtype=bool)
            )

        for module in modules:
            for name in ("ranks_from_scores", "ranks_from_lists"):
                if hasattr(module, name):
                    setattr(module, name, first)


class PatchesMetrics(Cheat):
    door = "the metrics: they are computed in another process"

    def prepare(self):
        rank_based = import_module("benchkit.evaluation.metrics.rank_based")
        for thing in vars(rank_based).values():
            if isinstance(thing, type) and hasattr(thing, "values"):
                thing.values = lambda self, ranks: np.ones(len(ranks.n_better))


class PatchesInConstructor(Cheat):
    door = "code that runs while planning: planning constructs it in a process of its own"

    def __init__(self):
        base = import_module("benchkit.evaluation.protocols.base")
        base.ranks_from_scores = None


class ChangesCatalogue(Cheat):
    door = "titles of the catalogue: its copy is its own"

    def prepare(self):
        for texts in self.data.catalog.texts.values():
            if isinstance(texts, list):
                texts[:] = ["x"] * len(texts)
        object.__setattr__(self.run.catalog, "ids", tuple(sorted(self.run.catalog.ids)))


class ChangesRequests(Cheat):
    door = "the questions: an answer is checked against the harness's own copy"

    def predict(self, requests, run):
        requests.sort(key=lambda request: request.case_id, reverse=True)
        for request in requests:
            score = self.score(request)
            object.__setattr__(request, "candidates", request.candidates[::-1])
            yield Prediction(request.case_id, score)


class ForgesMessages(Cheat):
    door = "the channel: whoever writes to it can only answer"

    def prepare(self):
        progress = self.run.progress
        channel = progress._channel
        channel.send("answers", [("test:0", 1.0)] * 3)
        channel.send("stage", "\x1b[2Jall perfect", 5)
        channel.send("nothing", {"ndcg@5": 1.0})


class Unpickles(Cheat):
    door = "objects that run code where they are unpickled: only plain data are read"

    def predict(self, requests, run):
        class Bomb(Prediction):
            def __reduce__(self):
                return os.putenv, ("BENCHKIT_BOMB", "1")

        for request in requests:
            yield Bomb(request.case_id, self.score(request))


# ---- answers of odd forms ---------------------------------------------------------------------


class BestNumber(float):
    """A number that is larger than every other one."""

    def __gt__(self, other):
        return True

    def __lt__(self, other):
        return False


class AlwaysFirst(Cheat):
    door = "numbers that compare as they like: only their values travel"

    def score(self, request):
        return [BestNumber(score) for score in super().score(request)]


class GrowingList(list):
    """A list that looks otherwise each time."""

    def __iter__(self):
        self.reverse()
        return super().__iter__()


class ChangesAfterwards(Cheat):
    door = "lists that are sorted after they were yielded: they are copied when they are yielded"

    def predict(self, requests, run):
        for request in requests:
            scores = GrowingList(self.score(request))
            yield Prediction(request.case_id, scores)
            scores.sort()


class Enormous(Cheat):
    door = "numbers so large that differences vanish: ties count by expectation"

    def score(self, request):
        return [1e308] * len(request.candidates)


class Denormal(Cheat):
    door = "numbers so small that they may become 0: ties count by expectation"

    def score(self, request):
        return [5e-324 if i % 2 else 0.0 for i in range(len(request.candidates))]


class AllEqual(Cheat):
    door = "no order at all: ties count by expectation"

    def score(self, request):
        return [0.0] * len(request.candidates)


class OnlyTheFirst(Cheat):
    door = "a partial answer: what is not ranked is a miss"

    def predict(self, requests, run):
        for request in requests:
            scores = [-math.inf] * len(request.candidates)
            scores[0] = 1.0
            yield Prediction(request.case_id, scores, partial=True)


class RefusesAllButEasy(Cheat):
    door = "cases without an answer: they count as misses"

    def predict(self, requests, run):
        for request in requests:
            if len(request.history) % 2:
                yield Prediction(request.case_id, None, status="refused")
            else:
                yield Prediction(request.case_id, self.score(request))


# ---- in the questions -------------------------------------------------------------------------


class FirstPlace(Cheat):
    door = "the place of the target: the order of a list is a function of its set"

    def guess(self, request):
        return request.candidates[0]


class LastPlace(Cheat):
    door = "the place of the target"

    def guess(self, request):
        return request.candidates[-1]


class SmallestId(Cheat):
    door = "codes of items: they say nothing"

    def guess(self, request):
        return min(request.candidates)


class HashOfCase(Cheat):
    door = "names of cases: they say nothing"

    def guess(self, request):
        return request.candidates[hash(request.case_id) % len(request.candidates)]


class GlobalRandom(Cheat):
    door = "the state of global generators: they have nothing to do with the draw"

    def guess(self, request):
        np.random.seed(0)
        random.seed(0)
        return request.candidates[np.random.randint(len(request.candidates))]


class TruthInDescription(Cheat):
    door = "what is stored of the dataset: hashes of everything at once"

    def prepare(self):
        self.texts = [Path(p).read_text() for p in glob.glob("data/*/dataset.json")]

    def guess(self, request):
        return max(request.candidates, key=lambda item: sum(t.count(item) for t in self.texts))


class StoredTables(Cheat):
    door = "tables of the data folder: rows that are asked for are not in them"

    def prepare(self):
        import polars as pl

        self.known, self.targets = set(), {}
        for folder in map(Path, glob.glob("data/*/")):
            users = pl.read_parquet(folder / "users.parquet")["user"].to_list()
            items = pl.read_parquet(folder / "items.parquet")["item"].to_list()
            rows = pl.read_parquet(folder / "interactions.parquet")
            for user, item in rows.select("user", "item").iter_rows():
                self.known.add((users[user], items[item]))
            test = pl.read_parquet(folder / "test.parquet")
            if "target" in test.columns:
                self.targets = dict(zip(test["case_id"], [items[t] for t in test["target"]]))

    def guess(self, request):
        if request.case_id in self.targets:
            return self.targets[request.case_id]
        history = {event.item for event in request.history}
        later = [
            item
            for item in request.candidates
            if (request.user, item) in self.known and item not in history
        ]
        return later[0] if later else None


class Validation(Cheat):
    door = "lists of validation cases: nothing follows from them"

    def prepare(self):
        self.lists = {v.request.user: set(v.request.candidates) for v in self.data.validation}

    def guess(self, request):
        absent = [i for i in request.candidates if i not in self.lists.get(request.user, ())]
        return absent[0] if absent else None


class InHistory(Cheat):
    door = "candidates that stand in the history: no more likely the target than others"

    def guess(self, request):
        history = {event.item for event in request.history}
        return next((item for item in request.candidates if item in history), None)


class OtherCases(Cheat):
    door = "questions of the same call: at most one of a user, and none of a later time"

    def predict(self, requests, run):
        self.later = {}
        for request in requests:
            items = [event.item for event in request.history]
            if len(items) > len(self.later.get(request.user, ())):
                self.later[request.user] = items
        return super().predict(requests, run)

    def guess(self, request):
        seen = {event.item for event in request.history}
        later = set(self.later.get(request.user, ())) - seen
        return next((item for item in request.candidates if item in later), None)


class Remembers(OtherCases):
    door = "questions that were asked before: histories of earlier times tell nothing of later ones"

    def prepare(self):
        self.later = {}

    def predict(self, requests, run):
        for request in requests:
            items = [event.item for event in request.history]
            if len(items) > len(self.later.get(request.user, ())):
                self.later[request.user] = items
        return Cheat.predict(self, requests, run)


class RemembersLists(Cheat):
    door = "lists that were shown before the whole catalogue is asked: that comes first"

    def prepare(self):
        self.lists = {}

    def predict(self, requests, run):
        for request in requests:
            if len(request.candidates) < len(run.catalog):
                self.lists[request.case_id] = set(request.candidates)
        return super().predict(requests, run)

    def score(self, request):
        listed = self.lists.get(request.case_id, ())
        return [s + (i in listed) for s, i in zip(super().score(request), request.candidates)]


# ---- what outlives a run ----------------------------------------------------------------------


class LeavesState(Cheat):
    door = "the state of its process: the next run has another one"

    def prepare(self):
        os.environ["BENCHKIT_KEYS"] = tempfile.gettempdir()
        os.chdir("/")
        sys.path.insert(0, "/nowhere")
        np.random.seed(1)
        json.dumps = None


# ---- on the disk: documented, and closed only by permissions -------------------------------------


class SearchesDisk(Cheat):
    """Reads answer keys where they lie by default or where it is told to look."""

    door = "the disk: closed where --keys is out of the reach of the run's user"

    def prepare(self):
        answer_keys = import_module("benchkit.data.answer_keys")
        os.environ["BENCHKIT_KEYS"] = os.environ.get("CHEAT_KEYS", "")
        self.key = {}
        files = answer_keys.answer_keys_folder().glob("*.key")
        for path in sorted(files, key=os.path.getmtime)[-1:]:
            tables = answer_keys.read_answer_key(path.stem)
            rows = tables["rows"]
            for user, item in rows.select("user", "item").iter_rows():
                self.key[self.data.users[user]] = self.data.catalog.ids[item]

    def guess(self, request):
        return self.key.get(request.user)


class ReadsStore(Cheat):
    """Reads what the store has recorded of other methods."""

    door = "records of other runs: closed where the store is out of reach"

    def prepare(self):
        import polars as pl

        self.key = {}
        for path in Path(os.environ.get("CHEAT_STORE", "runs")).rglob("predictions.parquet"):
            table = pl.read_parquet(path)
            self.key |= dict(zip(table["case_id"], table["target"]))

    def guess(self, request):
        return self.key.get(request.case_id)


class ReadsWhilePlanned(Cheat):
    """Reads keys where it is constructed, and leaves them where it finds them later."""

    door = "planning: it is confined as well"

    def __init__(self):
        answer_keys = import_module("benchkit.data.answer_keys")
        self.loot = Path(tempfile.gettempdir()) / "benchkit-loot"
        os.environ["BENCHKIT_KEYS"] = os.environ.get("CHEAT_KEYS", "")
        for path in answer_keys.answer_keys_folder().glob("*.key"):
            try:
                rows = answer_keys.read_answer_key(path.stem)["rows"]
                self.loot.write_text(json.dumps(rows.select("user", "item").rows()))
            except Exception:
                continue

    def prepare(self):
        pairs = json.loads(self.loot.read_text()) if self.loot.exists() else []
        self.key = {self.data.users[u]: self.data.catalog.ids[i] for u, i in pairs}

    def guess(self, request):
        return self.key.get(request.user)


class LinksCache(Cheat):
    """Lets the shared cache lead to the keys, for the next run that may read the cache."""

    door = "links in the store: a folder that has become one is refused, and no link can be made"

    def prepare(self):
        os.rename(self.run.cache, f"{self.run.cache}-away")
        os.symlink(os.environ["CHEAT_KEYS"], self.run.cache)


class WritesKeys(Cheat):
    """Overwrites keys with nothing."""

    door = "writing: keys, store and data cannot be changed"

    def prepare(self):
        for path in Path(os.environ["CHEAT_KEYS"]).glob("*.key"):
            path.write_bytes(b"")


ON_DISK = ("SearchesDisk", "ReadsStore")
NEEDING_CONFINEMENT = ("ReadsWhilePlanned", "LinksCache", "WritesKeys")
CHEATS = tuple(
    name
    for name, thing in list(globals().items())
    if isinstance(thing, type)
    and issubclass(thing, Cheat)
    and thing.door
    and name not in (*ON_DISK, *NEEDING_CONFINEMENT)
)
