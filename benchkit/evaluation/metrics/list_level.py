"""Metrics of the lists as such, right or wrong: coverage, Gini index, novelty."""

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from benchkit.data.request_batch import PADDING_ITEM
from benchkit.evaluation.metrics.base import AnswerFeature, Metric, MetricContext


class _ListMetric(Metric):
    """Looks at the top k of every list."""

    takes_cutoff = True
    requires: ClassVar[frozenset[AnswerFeature]] = frozenset({"lists"})

    def _top_items(self, context: MetricContext) -> NDArray[np.int32]:
        """Return [n, k] item codes; -1 beyond the end of a list."""
        return context.top_items[:, : self.cutoff]


class Coverage(_ListMetric):
    """Share of all items that could be recommended that are in the top k of at least one case.

    Ties are cut in the frozen, shuffled order of the candidates.

    Reference: Ge, Delgado-Battenfeld & Jannach, RecSys 2010.
    """

    kind = "coverage"
    legend = "COVERAGE@k: share of the items that stand in the top k of at least one user."

    def measure(self, context: MetricContext) -> float:
        top = self._top_items(context)
        return len(np.unique(top[top >= 0])) / len(context.item_pool)


class Gini(_ListMetric):
    """Gini index of how often each item is in the top k: 0 if all equally often, 1 if one alone.

    Reference: Fleder & Hosanagar, Management Science 2009; Castells, Hurley & Vargas, Recommender
    Systems Handbook 2015.
    """

    kind = "gini"
    legend = "GINI@k: Gini index of how often each item stands in a top k; lower is more even."

    def measure(self, context: MetricContext) -> float:
        top = self._top_items(context)
        counts = np.bincount(top[top >= 0], minlength=len(context.catalog))
        return gini_index(counts[context.item_pool])


class Novelty(_ListMetric):
    """Mean self-information of the top k in bits, by how often items occur in training.

    An item's probability is (count + 1) / (interactions + items), so that items without training
    interactions have a finite value. NaN for a case without a list.

    Reference: Zhou et al., PNAS 2010; Castells, Hurley & Vargas, Recommender Systems Handbook 2015.
    """

    kind = "novelty"
    legend = "NOVELTY@k: mean self-information (bits) of the top k by training popularity."

    def measure(self, context: MetricContext) -> NDArray[np.float64]:
        top = self._top_items(context)
        listed = top >= 0
        bits = np.where(listed, self_information(context.train_counts)[top], 0.0)
        lengths = listed.sum(axis=1)
        return np.where(lengths > 0, bits.sum(axis=1) / np.maximum(lengths, 1), np.nan)

    def chance_level(self, context: MetricContext) -> float | None:
        if context.candidates is None:  # of the catalogue, each user's own history is left out
            return None
        bits = self_information(context.train_counts)[context.candidates]
        listed = context.candidates != PADDING_ITEM
        if listed.all():
            return float(bits.mean())
        # A random item of a case's list, whatever its length: lists count alike.
        return float((np.where(listed, bits, 0.0).sum(axis=1) / listed.sum(axis=1)).mean())


def self_information(counts: NDArray[np.integer]) -> NDArray[np.float64]:
    """Return [n_items] the bits of each item, from its [n_items] training interactions.

    >>> self_information(np.array([3, 0, 0])).round(3).tolist()
    [0.585, 2.585, 2.585]
    """
    bits: NDArray[np.float64] = -np.log2((counts + 1) / (counts.sum() + len(counts)))
    return bits


def gini_index(counts: NDArray[np.integer]) -> float:
    """Return the Gini index of [m] counts; NaN where all are 0.

    It is divided by its largest possible value, (m - 1) / m, so that it reaches 1.

    >>> gini_index(np.array([2, 2, 2])), gini_index(np.array([0, 0, 5]))
    (0.0, 1.0)
    """
    m, total = len(counts), int(counts.sum())
    if total == 0:
        return float("nan")
    if m == 1:
        return 0.0
    weights = 2 * np.arange(1, m + 1) - m - 1
    return float(weights @ np.sort(counts)) / ((m - 1) * total)
