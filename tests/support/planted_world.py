"""A generated world with genres to learn, and whether a method has learnt them."""

import math
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from benchkit.data.dataset import PreparedDataset
from benchkit.evaluation.metrics.rank_based import NDCG
from benchkit.evaluation.ranks import ranks_from_scores
from benchkit.testing.fixtures import run_context, toy_dataset
from benchkit.types import RunContext

# Settings that suffice to learn the genres.
NANO = {"hidden": 32, "intermediate": 64, "steps": 300, "pieces": 64}
EXPERT = {"name": "sasrec", "config": {"epochs": 15}}

_VALUE = re.compile(r"([a-z][\w@]*) ([-+\d.e]+|nan|inf)(?=[\s,]|$)")


def planted_world(users: int = 60, items: int = 80, length: int = 10) -> PreparedDataset:
    """Return users who mostly stay in one of five genres; 20 candidates a case."""
    return toy_dataset(users=users, items=items, clusters=5, length=length)


class Losses:
    """A Progress that collects the values that each stage reports: its losses, say.

    Notes are pairs of a name and a number, "loss 5.279 validation 8.073" or "loss 0.3, reward 1".
    """

    def __init__(self) -> None:
        self.stages: list[tuple[str, int | None, dict[str, list[float]]]] = []

    def start(self, what: str, total: int | None = None) -> None:
        self.stages.append((what, total, {}))

    def advance(self, steps: int = 1, note: str = "") -> None:
        if self.stages:
            for name, value in _VALUE.findall(note):
                self.stages[-1][2].setdefault(name, []).append(float(value))

    def of(self, stage: str, value: str = "loss") -> list[float]:
        """Return what the last stage of this name reported: an expert's epochs come earlier."""
        return next(values[value] for name, _, values in reversed(self.stages) if name == stage)

    def total(self, stage: str) -> int | None:
        """Return the number of steps of the last stage of this name."""
        return next(total for name, total, _ in reversed(self.stages) if name == stage)


def falls(losses: list[float], to: float = 1.0) -> bool:
    """Return whether the last quarter's mean is below `to` times that of the first quarter."""
    quarter = max(1, len(losses) // 4)
    return float(np.mean(losses[-quarter:])) < to * float(np.mean(losses[:quarter]))


def learning_run(
    folder: Path, world: PreparedDataset, seed: int = 0, cache: Path | None = None
) -> RunContext:
    """Return a context in a folder of its own that collects losses.

    cache: Keeps nano and what is fine-tuned before preferences, for several runs; by default in
    the folder.
    """
    run = run_context(world.catalog, folder, seed=seed, cache=cache or folder / "cache")
    return replace(run, progress=Losses())


def standard_errors_above_chance(method: Any, world: PreparedDataset, run: RunContext) -> float:
    """By how many standard errors the NDCG@5 of the test cases is above that of random orders."""
    requests = list(world.requests(world.test))
    scores = [answer.scores for answer in method.predict(requests, run)]
    ranks = ranks_from_scores(scores, world.test.target_position)
    values = np.asarray(NDCG(5).values(ranks))
    gains = sum(1 / math.log2(rank + 1) for rank in range(1, 6))
    chance = gains / len(requests[0].candidates)
    return float((values.mean() - chance) / (values.std(ddof=1) / math.sqrt(len(values))))
