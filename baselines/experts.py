"""Recommenders as parts of other methods: experts that order candidates, or teach."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, computed_field, model_validator

from baselines.training_sample import sample_training
from benchkit import cards, fingerprint
from benchkit.errors import ConfigError, MethodError
from benchkit.types import Catalog, Recommender, Request, RunContext, TrainView

_LOGITS = {"sasrec"}  # trained by a cross-entropy: differences of scores are log-odds
_BATCH_SIZE = 1024  # requests


class ExpertConfig(BaseModel):
    """A recommender that scores candidates."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    name: str = "sasrec"
    """Name in a catalog, or FILE.py:Class."""
    config: dict[str, Any] = {}
    """Hyper-parameters; the recommender's defaults if left out."""
    share: float = Field(default=1.0, gt=0, le=1)
    """Share of the training interactions that it learns from: of every user so many, drawn by the
    seed, but at least two. What it is asked about and validated by stays whole."""

    @model_validator(mode="after")
    def _scores(self) -> Self:
        try:
            capabilities = self.make().capabilities
        except ConfigError as error:
            raise ValueError(f"{self.name}: {error.cause}; {error.hint}") from None
        if "scores" not in capabilities:
            raise ValueError(f"{self.name} gives no scores")
        return self

    @computed_field  # type: ignore[prop-decorator]
    @property
    def fingerprint(self) -> dict[str, Any]:
        """Code, packages and settings of the expert, as a part of a run's identity."""
        card = cards.find_card(self.name)
        return cards.identify_component(card, cards.build_config(card, self.config))

    @property
    def gives_logits(self) -> bool:
        """Whether differences of its scores can be read as log-odds."""
        return self.name in _LOGITS

    def make(self) -> Recommender:
        """Construct the expert, unfitted; raise ConfigError for an unknown name."""
        card = cards.find_card(self.name)
        return cards.construct_recommender(card, cards.build_config(card, self.config))

    def fit_expert(self, data: TrainView, run: RunContext) -> Recommender:
        """Construct and fit the expert; it has its own folder beside the method's files.

        It sees the catalogue of `data`, which in a transfer task is not the run's.
        """
        folder = run.scratch / f"expert-{fingerprint.hash_json(self.model_dump(mode='json'))}"
        folder.mkdir(parents=True, exist_ok=True)
        expert = self.make()
        if self.share < 1:
            # The share is not in the key: a larger one has all that a smaller one has.
            data = sample_training(data, self.share, run.generator("expert interactions"))
        expert.fit(data, replace(run, catalog=data.catalog, scratch=folder, artifacts=None))
        return expert


def expert_scores(
    expert: Recommender, requests: Sequence[Request], run: RunContext
) -> Iterator[NDArray[np.float64]]:
    """Yield [c] scores of each request's candidates, in their order.

    Raises:
        MethodError: The expert does not score a request.
    """
    for start in range(0, len(requests), _BATCH_SIZE):
        for prediction in expert.predict(requests[start : start + _BATCH_SIZE], run):
            if prediction.scores is None:
                raise MethodError(
                    f"the expert has no scores for {prediction.case_id!r}: {prediction.status}",
                    "use another expert",
                )
            yield np.array(prediction.scores, dtype=np.float64)


def unseen_scores(
    expert: Recommender, requests: Sequence[Request], catalog: Catalog, run: RunContext
) -> Iterator[NDArray[np.float64]]:
    """Yield [n_items] scores of the catalogue for each request, -inf for its history's items."""
    full_requests = [replace(request, candidates=catalog.ids) for request in requests]
    for request, scores in zip(requests, expert_scores(expert, full_requests, run), strict=True):
        scores[[catalog.index[event.item] for event in request.history]] = -np.inf
        yield scores


def order_by_score(values: NDArray[np.float64]) -> list[int]:
    """Return indices from the highest score to the lowest; ties stay in their order."""
    order: list[int] = np.argsort(-values, kind="stable").tolist()
    return order
