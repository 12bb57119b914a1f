"""A random order of the candidates: the chance level that every method must beat."""

from collections.abc import Iterator, Sequence
from typing import ClassVar

import numpy as np
from pydantic import BaseModel, ConfigDict

from baselines.cf.scoring import as_sequence
from benchkit.types import Capability, Prediction, Request, RunContext, Sample, TrainView


class Random:
    """An independent uniform score for each candidate; the history is not read.

    As a sampler it answers with independent uniform draws of a candidate.
    """

    capabilities: ClassVar[frozenset[Capability]] = frozenset(
        {"scores", "samples", "cold_users", "cold_items", "zero_shot"}
    )

    class Config(BaseModel):
        """There are no settings; the seed is the run's."""

        model_config = ConfigDict(extra="forbid", frozen=True)

    def __init__(self, config: Config | None = None) -> None:
        self.config = config or self.Config()

    def fit(self, data: TrainView, run: RunContext) -> None:
        """Learn nothing."""

    def predict(self, requests: Sequence[Request], run: RunContext) -> Iterator[Prediction]:
        for request in requests:
            draws = run.generator("random", request.case_id).random(len(request.candidates))
            # Assigned in the order of ids, so that a score belongs to an item, not to a position.
            scores = np.empty_like(draws)
            scores[np.argsort(request.candidates)] = draws
            yield Prediction(request.case_id, as_sequence(scores))

    def sample(self, requests: Sequence[Request], run: RunContext) -> Iterator[Prediction]:
        n = int(run.decoding["n"])
        for request in requests:
            items = sorted(request.candidates)
            draws = run.generator("random samples", request.case_id).integers(0, len(items), n)
            samples = tuple(_answer(items[draw], run) for draw in draws)
            yield Prediction(request.case_id, None, samples)


def _answer(item: str, run: RunContext) -> Sample:
    return Sample(text=run.catalog.text(item) or item, item=item, rationale=None, status="ok")
