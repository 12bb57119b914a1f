"""How usable answers are: valid, distinct, cut off, refused."""

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from benchkit.evaluation.metrics.base import AnswerFeature, Metric, MetricContext


class Valid(Metric):
    """Share of a case's answers that name a candidate; 1 for a case that was ranked."""

    kind = "valid"

    def measure(self, context: MetricContext) -> NDArray[np.float64]:
        if context.sampled_items:
            return valid_shares(context.sampled_items)
        return context.ranks.answered.astype(np.float64)


class Unique(Metric):
    """How many candidates the answers of a case name."""

    kind = "unique"
    requires: ClassVar[frozenset[AnswerFeature]] = frozenset({"samples"})

    def measure(self, context: MetricContext) -> NDArray[np.float64]:
        return distinct_counts(context.sampled_items)


class Truncated(Metric):
    """Share of a case's answers that were cut off."""

    kind = "truncated"

    def measure(self, context: MetricContext) -> NDArray[np.float64]:
        return status_shares(context.statuses, "truncated")


class Refused(Metric):
    """Share of a case's answers that were refused."""

    kind = "refused"

    def measure(self, context: MetricContext) -> NDArray[np.float64]:
        return status_shares(context.statuses, "refused")


def valid_shares(items: Sequence[Sequence[str | None]]) -> NDArray[np.float64]:
    """Return [n] the share of each case's answers that name an item; None is an invalid answer.

    >>> valid_shares([["A", "A", None, None]]).tolist()
    [0.5]
    """
    return np.array([sum(item is not None for item in case) / len(case) for case in items])


def distinct_counts(items: Sequence[Sequence[str | None]]) -> NDArray[np.float64]:
    """Return [n] how many distinct items the answers of each case name.

    >>> distinct_counts([["A", "A", None, "B"]]).tolist()
    [2.0]
    """
    return np.array([float(len(set(case) - {None})) for case in items])


def status_shares(statuses: Sequence[Sequence[str]], status: str) -> NDArray[np.float64]:
    """Return [n] the share of each case's answers that has a status.

    >>> status_shares([["ok", "truncated"]], "truncated").tolist()
    [0.5]
    """
    return np.array([case.count(status) / len(case) for case in statuses], dtype=np.float64)
