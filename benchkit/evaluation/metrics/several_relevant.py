"""Metrics of cases with several relevant items: recall, precision, MAP and graded NDCG.

Items with equal scores count by their expectation over all orders, as everywhere. Of a case with
one relevant item recall@k is the hit rate and graded NDCG the NDCG.
"""

from abc import abstractmethod
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from benchkit.errors import ConfigError
from benchkit.evaluation.metrics.base import AnswerFeature, Metric, MetricContext
from benchkit.evaluation.relevant_ranks import RelevantRanks


class _RelevantMetric(Metric):
    """Looks at the ranks of all relevant items up to k."""

    takes_cutoff = True
    requires: ClassVar[frozenset[AnswerFeature]] = frozenset({"relevant"})

    @property
    def k(self) -> int:
        """The cutoff."""
        return self.cutoff or 1

    def measure(self, context: MetricContext) -> NDArray[np.float64]:
        return self.values(self._relevant(context))

    def chance_level(self, context: MetricContext) -> float:
        relevant = self._relevant(context)
        sizes = relevant.ranks.n_candidates
        distribution = context.baseline.distribution(first_only=False)
        chance = np.zeros((len(sizes), self.k))
        for size in np.unique(sizes).tolist():
            law = distribution(int(size))[: self.k]
            chance[sizes == size, : len(law)] = law
        chance[~relevant.is_candidate] = 0.0
        return float(self.expectations(relevant, chance).mean())

    @abstractmethod
    def values(self, relevant: RelevantRanks) -> NDArray[np.float64]:
        """Return [n] the value of each case."""

    @abstractmethod
    def expectations(
        self, relevant: RelevantRanks, chance: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Return [n] the expected values where nothing is known.

        Args:
            relevant: The relevant items of the cases.
            chance: [m, k] probability of the ranks 1..k, by symmetry that of any candidate.
        """

    def _relevant(self, context: MetricContext) -> RelevantRanks:
        if context.relevant is None:
            raise ConfigError(
                f"metric {self.name!r} needs the ranks of all relevant items",
                "the protocol must give `relevant` to its MetricContext",
            )
        return context.relevant


class _GainMetric(_RelevantMetric):
    """A sum of gains at the ranks of the relevant items, each divided by what its case allows."""

    @abstractmethod
    def gains(self, n: int) -> NDArray[np.float64]:
        """Return the gain of the ranks 1..n of an item of grade 1."""

    @abstractmethod
    def item_weights(self, relevant: RelevantRanks) -> NDArray[np.float64]:
        """Return [m] what the gain of each relevant item is multiplied by."""

    def values(self, relevant: RelevantRanks) -> NDArray[np.float64]:
        gains = relevant.ranks.mean_gain(self.gains(self.k))
        return relevant.sum_cases(gains * self.item_weights(relevant))

    def expectations(
        self, relevant: RelevantRanks, chance: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        return relevant.sum_cases(chance @ self.gains(self.k) * self.item_weights(relevant))


class Recall(_GainMetric):
    """Share of the relevant items among the k items ranked first."""

    kind = "recall"
    legend = "RECALL@k: share of a case's relevant items in the top k."

    def gains(self, n: int) -> NDArray[np.float64]:
        return np.ones(n)

    def item_weights(self, relevant: RelevantRanks) -> NDArray[np.float64]:
        return 1.0 / relevant.counts[relevant.case]


class Precision(_GainMetric):
    """Relevant items among the k ranked first, divided by k also where fewer were ranked."""

    kind = "precision"
    legend = "PRECISION@k: share of the top k that is relevant."

    def gains(self, n: int) -> NDArray[np.float64]:
        return np.ones(n)

    def item_weights(self, relevant: RelevantRanks) -> NDArray[np.float64]:
        return np.full(len(relevant.case), 1.0 / self.k)


class GradedNDCG(_GainMetric):
    """DCG of the k items ranked first, with an item's grade as its gain, over the largest possible.

    The ideal ranking has all relevant items of the case, also those that are no candidates. Grades
    below zero, which have no ideal, are refused; a case whose grades are all 0 has no value.

    Reference: Järvelin & Kekäläinen, TOIS 2002 (linear gains, as in trec_eval).
    """

    kind = "graded-ndcg"
    legend = "GRADED-NDCG@k: NDCG with grades as gains; the ideal ranks all relevant items."

    @property
    def title(self) -> str:
        return f"GNDCG@{self.k}"

    def gains(self, n: int) -> NDArray[np.float64]:
        return 1.0 / np.log2(np.arange(2, n + 2))

    def item_weights(self, relevant: RelevantRanks) -> NDArray[np.float64]:
        if (relevant.grade < 0).any():
            raise ConfigError(
                f"metric {self.name!r}: a relevant item has the grade {relevant.grade.min():g}",
                "grades begin at 0; leave out split.grades, or map the ratings",
            )
        ideal = self._ideal(relevant)[relevant.case]
        return np.where(ideal > 0, relevant.grade / np.where(ideal > 0, ideal, 1.0), np.nan)

    def expectations(
        self, relevant: RelevantRanks, chance: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        values = super().expectations(relevant, chance)
        return values[~np.isnan(values)]

    def _ideal(self, relevant: RelevantRanks) -> NDArray[np.float64]:
        """Return [n] the DCG of the relevant items ranked by their grades."""
        order = np.lexsort((-relevant.grade, relevant.case))
        case = relevant.case[order]
        first = np.searchsorted(case, case)
        place = np.arange(len(case)) - first
        gains = self.gains(self.k)
        discount = np.where(place < self.k, gains[np.minimum(place, self.k - 1)], 0.0)
        return relevant.sum_cases((relevant.grade[order] * discount)[np.argsort(order)])


class MeanAveragePrecision(_RelevantMetric):
    """Average precision at k: the precision at each relevant item in the top k, summed, divided by
    min(k, relevant items).

    With ties it is the exact expectation over all orders of the tied items.

    Reference: McSherry & Najork, ECIR 2008, section 2.2, for ties.
    """

    kind = "map"
    legend = "MAP@k: mean over cases of the average precision in the top k."

    def values(self, relevant: RelevantRanks) -> NDArray[np.float64]:
        out = np.zeros(relevant.n_cases)
        ranks = relevant.ranks
        starts = np.searchsorted(relevant.case, np.arange(relevant.n_cases + 1))
        for case in range(relevant.n_cases):
            rows = slice(int(starts[case]), int(starts[case + 1]))
            if not ranks.answered[rows].any():
                continue
            listed = ranks.n_tied[rows] > 0
            better, tied = ranks.n_better[rows][listed], ranks.n_tied[rows][listed]
            total = self._sum_precisions(better, tied)
            out[case] = total / min(self.k, rows.stop - rows.start)
        return out

    def expectations(
        self, relevant: RelevantRanks, chance: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        # Of m relevant candidates among n, one at rank i has (i - 1)(m - 1)/(n - 1) others above.
        listed = relevant.sum_cases(relevant.is_candidate.astype(np.float64))[relevant.case]
        n = np.maximum(relevant.ranks.n_candidates, 2)
        rank = np.arange(1, self.k + 1)
        above = ((listed - 1) / (n - 1))[:, None] * (rank - 1)
        sums = relevant.sum_cases((chance * (1 + above) / rank).sum(axis=1))
        values: NDArray[np.float64] = sums / np.minimum(self.k, relevant.counts)
        return values

    def _sum_precisions(self, better: NDArray[np.int64], tied: NDArray[np.int64]) -> float:
        """Return the expected sum of precisions at the relevant items of a case in its top k.

        Relevant items with equal `better` are in one group of `tied` items, g of them relevant. A
        group's item at rank i has all relevant items of better groups above it, and of its own,
        in expectation, (i - better - 1)(g - 1)/(tied - 1).
        """
        total, above = 0.0, 0
        for group in np.unique(better).tolist():
            members = better == group
            g, size = int(members.sum()), int(tied[members][0])
            rank = np.arange(group + 1, min(group + size, self.k) + 1)
            inside = (rank - group - 1) * (g - 1) / max(size - 1, 1)
            total += float((g / size * (1 + above + inside) / rank).sum())
            above += g
        return total
