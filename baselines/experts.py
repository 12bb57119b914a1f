"""Recommenders as parts of other methods: they order candidates, or teach."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, computed_field, model_validator

from benchkit import cards, fingerprint
from benchkit.errors import ConfigError, MethodError
from benchkit.types import Catalog, Recommender, Request, RunContext, TrainView

_LOGITS = {"sasrec"}  # trained by a cross-entropy: differences of scores are log-odds
_ASKED_AT_ONCE = 1024


class ExpertConfig(BaseModel):
    """Which recommender is asked: any that scores, by its name in a catalog or as FILE.py:Class.

    config: its hyper-parameters, its own defaults else.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = "sasrec"
    config: dict[str, Any] = {}

    @model_validator(mode="after")
    def _scores(self) -> Self:
        try:
            able = self.make().capabilities
        except ConfigError as error:
            raise ValueError(f"{self.name}: {error.cause}; {error.hint}") from None
        if "scores" not in able:
            raise ValueError(f"{self.name} gives no scores")
        return self

    @computed_field  # type: ignore[prop-decorator]
    @property
    def fingerprint(self) -> dict[str, Any]:
        """Code, packages and settings, so that a run's identity holds what can change scores."""
        card = cards.find_card(self.name)
        return cards.identify_component(card, cards.build_config(card, self.config))

    @property
    def gives_logits(self) -> bool:
        """Whether differences of its scores can be read as log-odds."""
        return self.name in _LOGITS

    def make(self) -> Recommender:
        """A fresh, unfitted expert. Raises ConfigError when there is none of this name."""
        card = cards.find_card(self.name)
        return cards.construct_recommender(card, cards.build_config(card, self.config))

    def fit_expert(self, data: TrainView, run: RunContext) -> Recommender:
        """A fresh expert, trained; its files are apart from those of the method that asks it."""
        folder = run.scratch / f"expert-{fingerprint.hash_json(self.model_dump(mode='json'))}"
        folder.mkdir(parents=True, exist_ok=True)
        expert = self.make()
        expert.fit(data, replace(run, scratch=folder, artifacts=None))
        return expert


def expert_scores(
    expert: Recommender, requests: Sequence[Request], run: RunContext
) -> Iterator[NDArray[np.float64]]:
    """[c] scores of each request's candidates, in their order.

    Raises MethodError for a request that the expert does not score.
    """
    for start in range(0, len(requests), _ASKED_AT_ONCE):
        for prediction in expert.predict(requests[start : start + _ASKED_AT_ONCE], run):
            if prediction.scores is None:
                raise MethodError(
                    f"the expert has no scores for {prediction.case_id!r}: {prediction.status}",
                    "take another expert",
                )
            yield np.array(prediction.scores, dtype=np.float64)


def unseen_scores(
    expert: Recommender, requests: Sequence[Request], catalog: Catalog, run: RunContext
) -> Iterator[NDArray[np.float64]]:
    """[n_items] scores of the catalogue for each request; -inf for the items of its history."""
    whole = [replace(request, candidates=catalog.ids) for request in requests]
    for request, own in zip(requests, expert_scores(expert, whole, run), strict=True):
        own[[catalog.index[event.item] for event in request.history]] = -np.inf
        yield own


def descending_order(values: NDArray[np.float64]) -> list[int]:
    """Places from the highest score to the lowest; equal ones stay in their order."""
    order: list[int] = np.argsort(-values, kind="stable").tolist()
    return order
