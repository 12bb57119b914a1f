"""A world of genres in which methods can be seen to learn, and whether one did."""

import math
import re
from collections import defaultdict
from typing import Any

from benchkit.data.dataset import PreparedDataset
from benchkit.evaluation.lookup import find_metric
from benchkit.evaluation.ranks import ranks_from_scores
from benchkit.testing.fixtures import run_context, toy_dataset


class StageLosses:
    """A Progress that remembers the stages and the losses that each reports."""

    def __init__(self) -> None:
        self.totals: dict[str, int | None] = {}
        self.losses: defaultdict[str, list[float]] = defaultdict(list)
        self._stage = ""

    def start(self, what: str, total: int | None = None) -> None:
        self._stage, self.totals[what] = what, total

    def advance(self, steps: int = 1, note: str = "") -> None:
        if match := re.match(r"loss (\S+)", note):
            self.losses[self._stage].append(float(match[1]))


def genre_world() -> PreparedDataset:
    """60 users who mostly stay in one of 5 genres of 80 items."""
    return toy_dataset(users=60, items=80, clusters=5, length=10)


def errors_above_chance(method: Any, dataset: PreparedDataset) -> float:
    """By how many standard errors the NDCG@5 on test cases is above that of random orders."""
    requests = list(dataset.requests(dataset.test))
    scores = [p.scores for p in method.predict(requests, run_context(dataset.catalog))]
    ranks = ranks_from_scores(scores, dataset.test.target_position)
    values = find_metric("ndcg@5").values(ranks)
    gains = sum(1 / math.log2(rank + 1) for rank in range(1, 6))
    chance = gains / len(requests[0].candidates)
    return float((values.mean() - chance) / (values.std(ddof=1) / math.sqrt(len(values))))
