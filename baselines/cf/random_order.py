"""Chance: every order of the candidates is as likely. What a method must beat to know anything."""

from collections.abc import Iterator, Sequence
from typing import ClassVar

import numpy as np
from pydantic import BaseModel, ConfigDict

from benchkit.protocols import Capability, Prediction, Request, RunContext, TrainView


class Random:
    """An independent uniform score for each candidate; the history is not read."""

    capabilities: ClassVar[frozenset[Capability]] = frozenset(
        {"scores", "cold_users", "cold_items", "zero_shot"}
    )

    class Config(BaseModel):
        """There is nothing to set; the seed is the run's."""

        model_config = ConfigDict(extra="forbid", frozen=True)

    def __init__(self, config: Config | None = None) -> None:
        self.config = config or self.Config()

    def fit(self, data: TrainView, run: RunContext) -> None:
        """Nothing is learned."""

    def predict(self, requests: Sequence[Request], run: RunContext) -> Iterator[Prediction]:
        for request in requests:
            draws = run.generator("random", request.case_id).random(len(request.candidates))
            # Dealt out in the order of the ids, so that a score belongs to an item, not to a place.
            scores = np.empty_like(draws)
            scores[np.argsort(request.candidates)] = draws
            yield Prediction(request.case_id, scores.tolist())
