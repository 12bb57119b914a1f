"""What a metric is, and what it may look at."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from benchkit.data.dataset import Cases, PreparedDataset
from benchkit.data.request_batch import PADDING_ITEM
from benchkit.data.splits.base import TRAIN
from benchkit.errors import ConfigError
from benchkit.evaluation.random_baseline import RandomBaseline
from benchkit.evaluation.ranks import Ranks
from benchkit.evaluation.relevant_ranks import RelevantRanks
from benchkit.types import Catalog, Status

AnswerFeature = Literal["ranks", "lists", "samples", "relevant"]


@dataclass(frozen=True)
class MetricContext:
    """All that a metric may look at: n answered cases of one method under one protocol."""

    dataset: PreparedDataset
    cases: Cases
    popular_share: float
    """Share of the items that count as popular."""
    ranks: Ranks
    """[n] Where the targets stand in the ranking, or in the list that sampled answers make."""
    baseline: RandomBaseline
    """Where targets stand for a recommender that knows nothing."""
    statuses: tuple[tuple[Status, ...], ...]
    """[n] Status of each answer to a case: one, or one a sample."""
    top_items: NDArray[np.int32]
    """[n, depth] Item codes, best first; -1 beyond the end of a list. The depth is at least the
    largest `Metric.depth` of the metrics that are computed."""
    candidates: NDArray[np.int32] | None
    """[n, c] Item codes that could be recommended, shorter lists filled with -1; None where that is
    the whole catalogue."""
    relevant: RelevantRanks | None = None
    """Where all relevant items stand; None where no metric requires `relevant`."""
    first_ranks: Ranks | None = None
    """[n] Where the targets stand in the first answer alone, for sampled answers."""
    list_lengths: NDArray[np.int64] | None = None
    """[n] Items in the list that sampled answers make; None where all candidates are ranked."""
    sampled_items: tuple[tuple[str | None, ...], ...] = ()
    """[n] Item id that each sampled answer names, in draw order; None for an invalid one."""

    def __len__(self) -> int:
        return len(self.cases)

    @property
    def catalog(self) -> Catalog:
        """The items; a code is a position in `catalog.ids`."""
        return self.dataset.catalog

    @cached_property
    def train_counts(self) -> NDArray[np.int64]:
        """[n_items] Training interactions of each item."""
        trained = self.dataset.interactions.item[self.dataset.part == TRAIN]
        return np.bincount(trained, minlength=len(self.catalog)).astype(np.int64)

    @cached_property
    def item_pool(self) -> NDArray[np.integer]:
        """[m] Codes of all items that could be recommended to somebody."""
        if self.candidates is None:
            return np.arange(len(self.catalog))
        return np.setdiff1d(self.candidates, [PADDING_ITEM])

    @cached_property
    def has_target(self) -> NDArray[np.bool_]:
        """[n] Whether the target can be recommended: lists of others may lack it."""
        if self.candidates is None:
            return np.ones(len(self), dtype=np.bool_)
        has_target: NDArray[np.bool_] = self.cases.target_position >= 0
        return has_target


@dataclass(frozen=True)
class Metric(ABC):
    """One column of a table. A subclass is a metric or, with `takes_cutoff`, a family of them.

    >>> from benchkit.evaluation.metrics.rank_based import NDCG
    >>> NDCG(5).name, NDCG(5).title
    ('ndcg@5', 'NDCG@5')
    """

    cutoff: int | None = None
    """The K of `name@K`: how many of the top items it looks at."""

    kind: ClassVar[str]
    """Its name in suites, without the cutoff."""
    takes_cutoff: ClassVar[bool] = False
    requires: ClassVar[frozenset[AnswerFeature]] = frozenset()
    """What a protocol must provide for it to be defined."""
    legend: ClassVar[str] = ""
    """What tables say of it; `{popular_share}` is filled in."""

    def __post_init__(self) -> None:
        if self.takes_cutoff != (self.cutoff is not None):
            raise ConfigError(f"unknown metric {self.name!r}", f"use {self.form()}")

    @classmethod
    def form(cls) -> str:
        """Return how a suite names it: "ndcg@K"."""
        return f"{cls.kind}@K" if cls.takes_cutoff else cls.kind

    @property
    def name(self) -> str:
        """The name in suites and records, e.g. "ndcg@5"."""
        return self.kind if self.cutoff is None else f"{self.kind}@{self.cutoff}"

    @property
    def title(self) -> str:
        """The head of its column."""
        return self.name.upper()

    @property
    def depth(self) -> int:
        """How many of the top items it looks at."""
        return (self.cutoff or 0) if "lists" in self.requires else 0

    @abstractmethod
    def measure(self, context: MetricContext) -> NDArray[np.float64] | float:
        """Return [n] one value a case, NaN where it has none, or one value for the row."""

    def aggregate(self, values: NDArray[np.float64]) -> float:
        """Return the figure of the row from its [m] values that are not NaN.

        Intervals and tests between methods are of the mean, so another aggregate has none.
        """
        return float(values.mean())

    def chance_level(self, context: MetricContext) -> float | None:  # noqa: ARG002
        """Return the exact expectation for a recommender that knows nothing; None if unknown."""
        return None

    def p_value(
        self,
        context: MetricContext,  # noqa: ARG002
        values: NDArray[np.float64],  # noqa: ARG002
    ) -> float | None:
        """Return the one-sided p of not being above chance; None if there is no exact test."""
        return None
