"""Collaborative filters as parts of other methods: they order candidates, or teach."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from baselines.cf.ease import EASE
from baselines.cf.item_knn import ItemKNN
from baselines.cf.markov import Markov
from baselines.cf.popularity import Popularity
from baselines.cf.sasrec import SASRec
from benchkit.protocols import Catalog, Recommender, Request, RunContext

# By their names in the catalog. They are imported here, so that their code is part of the identity
# of every run that asks one.
_EXPERTS: dict[str, Any] = {
    "sasrec": SASRec, "ease": EASE, "item-knn": ItemKNN, "markov": Markov, "popularity": Popularity,
}  # fmt: skip
_LOGITS = {"sasrec"}  # trained by a cross-entropy: differences of scores are log-odds
_ASKED_AT_ONCE = 1024


class ExpertConfig(BaseModel):
    """Which collaborative filter is asked. config: its hyper-parameters, its own defaults else."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Literal["sasrec", "ease", "item-knn", "markov", "popularity"] = "sasrec"
    config: dict[str, Any] = {}

    @model_validator(mode="after")
    def _config_is_its_own(self) -> Self:
        try:
            _EXPERTS[self.name].Config.model_validate(self.config)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"]))
            raise ValueError(f"{self.name}: {where}: {first['msg']}") from None
        return self

    @property
    def gives_logits(self) -> bool:
        """Whether differences of its scores can be read as log-odds."""
        return self.name in _LOGITS

    def make(self) -> Recommender:
        """A fresh, unfitted expert."""
        chosen = _EXPERTS[self.name]
        made: Recommender = chosen(chosen.Config.model_validate(self.config))
        return made


def scores(
    expert: Recommender, requests: Sequence[Request], run: RunContext
) -> Iterator[NDArray[np.float64]]:
    """[c] scores of each request's candidates, in their order."""
    for start in range(0, len(requests), _ASKED_AT_ONCE):
        for prediction in expert.predict(requests[start : start + _ASKED_AT_ONCE], run):
            yield np.array(prediction.scores, dtype=np.float64)


def unseen_scores(
    expert: Recommender, requests: Sequence[Request], catalog: Catalog, run: RunContext
) -> Iterator[NDArray[np.float64]]:
    """[n_items] scores of the catalogue for each request; -inf for the items of its history."""
    whole = [replace(request, candidates=catalog.ids) for request in requests]
    for request, own in zip(requests, scores(expert, whole, run), strict=True):
        own[[catalog.index[event.item] for event in request.history]] = -np.inf
        yield own


def best_first(values: NDArray[np.float64]) -> list[int]:
    """Places from the highest score to the lowest; equal ones stay in their order."""
    order: list[int] = np.argsort(-values, kind="stable").tolist()
    return order
