"""RecBole's models, trained for a few epochs."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from baselines.cf import recbole_models
from baselines.cf.recbole import RecBole
from benchkit.data.dataset import PreparedDataset
from benchkit.types import Catalog, Prediction, RunContext

needs_recbole = pytest.mark.skipif(
    recbole_models.recbole_dir() is None, reason="RecBole is not installed"
)


@dataclass
class Stages:
    """A Progress that remembers its stages and steps."""

    seen: list[str] = field(default_factory=list)

    def start(self, what: str, total: int | None = None) -> None:
        self.seen.append(f"{what} {total}")

    def advance(self, steps: int = 1, note: str = "") -> None:
        self.seen.append(note.partition(" ")[0])


def context(catalog: Catalog, scratch: Path, seed: int = 0) -> RunContext:
    """A context with a Progress that remembers, and its cache in `scratch`."""
    return RunContext(seed, catalog, scratch, Stages(), cache=scratch)


def fit_recbole(
    dataset: PreparedDataset, scratch: Path, seed: int = 0, **config: Any
) -> tuple[RecBole, RunContext]:
    """Train for an epoch, or as `config` says; gives the recommender and its context."""
    recommender = RecBole(RecBole.Config(**{"epochs": 1, "max_length": 8, **config}))
    run = context(dataset.catalog, scratch, seed)
    recommender.fit(dataset.train_view(), run)
    return recommender, run


def score_table(predictions: list[Prediction]) -> np.ndarray:
    """A row of scores for each prediction."""
    return np.array([prediction.scores for prediction in predictions])
