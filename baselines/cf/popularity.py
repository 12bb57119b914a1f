"""Popularity: the most interacted items first, the same order for every user."""

from collections.abc import Iterator, Sequence
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from baselines.cf.scoring import predict_candidates
from benchkit.types import Capability, Prediction, Request, RunContext, TrainView


class Popularity:
    """score(i) = number of training interactions with item i, whoever asks."""

    capabilities: ClassVar[frozenset[Capability]] = frozenset({"scores", "cold_users"})

    class Config(BaseModel):
        """There are no settings."""

        model_config = ConfigDict(extra="forbid", frozen=True)

    def __init__(self, config: Config | None = None) -> None:
        self.config = config or self.Config()

    def fit(self, data: TrainView, run: RunContext) -> None:
        self.index = data.catalog.index
        self.counts = interaction_counts(data)

    def predict(self, requests: Sequence[Request], run: RunContext) -> Iterator[Prediction]:
        return predict_candidates(requests, self.index, self.score_items)

    def score_items(self, requests: Sequence[Request]) -> NDArray[np.float64]:
        """Repeat the counts for each request, [b, n_items]."""
        return np.broadcast_to(self.counts, (len(requests), len(self.counts)))


def interaction_counts(data: TrainView) -> NDArray[np.float64]:
    """Count the training interactions of each item, [n_items]."""
    return np.bincount(data.interactions.item, minlength=len(data.catalog)).astype(np.float64)
