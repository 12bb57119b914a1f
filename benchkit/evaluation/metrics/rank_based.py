"""Metrics with one relevant item, each a gain per rank: HR@k, NDCG@k, MRR and RecPO's rates."""

from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from benchkit.evaluation.metrics.base import AnswerFeature, Metric, MetricContext
from benchkit.evaluation.random_baseline import RankDistribution, mean_gain, uniform_ranks
from benchkit.evaluation.ranks import Ranks


@dataclass(frozen=True)
class RankMetric(Metric):
    """The mean over cases of a gain at the target's rank r."""

    requires: ClassVar[frozenset[AnswerFeature]] = frozenset({"ranks"})
    unlisted_gain: ClassVar[float] = 0.0
    """Gain of a target that is not in the list."""

    is_weighted: ClassVar[bool] = False
    """Whether a case's gain depends on more than the target's rank."""

    @abstractmethod
    def gains(self, n: int) -> NDArray[np.float64]:
        """Return the gain of the ranks 1..m, m <= n; those beyond m gain nothing."""

    @property
    def first_only(self) -> bool:
        """Whether only the first rank counts; of sampled answers it then judges the first."""
        return self.cutoff == 1

    def weights(self, context: MetricContext) -> NDArray[np.float64]:
        """Return [n] what the gain of each case is multiplied by."""
        return np.ones(len(context))

    def values(self, ranks: Ranks) -> NDArray[np.float64]:
        """Return [n] the expected gain of each case; unanswered cases are 0."""
        gains = self.gains(int(ranks.n_candidates.max(initial=1)))
        return ranks.mean_gain(gains, self.unlisted_gain)

    def measure(self, context: MetricContext) -> NDArray[np.float64]:
        return self.values(self._ranks(context)) * self.weights(context)

    def chance_level(self, context: MetricContext) -> float:
        distribution = context.baseline.distribution(self.first_only)
        expected = self.expectations(context.ranks.n_candidates, distribution)
        # A list without the target gives what an unlisted one gives, to everybody.
        expected = np.where(context.has_target, expected, self.unlisted_gain)
        return float((expected * self.weights(context)).mean())

    def expectations(
        self, n_candidates: NDArray[np.int64], distribution: RankDistribution = uniform_ranks
    ) -> NDArray[np.float64]:
        """Return [n] the exact expectations for a recommender that knows nothing.

        Args:
            n_candidates: [n] Number of candidates of each case.
            distribution: How likely each rank then is; by default all are equally likely.

        >>> HitRate(1).expectations(np.array([30])).round(6).tolist()
        [0.033333]
        >>> NDCG(5).expectations(np.array([30])).round(6).tolist()
        [0.098282]
        """
        sizes, size_index = np.unique(n_candidates, return_inverse=True)
        by_size = [self._expectation(distribution(int(size))) for size in sizes]
        return np.array(by_size)[size_index]

    def p_value(self, context: MetricContext, values: NDArray[np.float64]) -> float | None:
        can_gain = self.weights(context) > 0  # the other cases gain nothing, whatever is ranked
        can_gain &= context.has_target
        if not can_gain.any():
            return None
        all_listed = bool(context.has_target.all())
        return context.baseline.p_value(
            mean=float(values.mean() / can_gain.mean() if all_listed else values[can_gain].mean()),
            gains=self.gains(int(context.ranks.n_candidates.max())),
            n_candidates=context.ranks.n_candidates,
            rows=can_gain,
            unlisted_gain=self.unlisted_gain,
            first_only=self.first_only,
            user=context.cases.user,
        )

    def _ranks(self, context: MetricContext) -> Ranks:
        if self.first_only and context.first_ranks is not None:
            return context.first_ranks
        return context.ranks

    def _expectation(self, probabilities: NDArray[np.float64]) -> float:
        return mean_gain(self.gains(len(probabilities)), probabilities, self.unlisted_gain)


class HitRate(RankMetric):
    """1 if r <= k; with one relevant item it is recall@k."""

    kind = "hr"
    takes_cutoff = True

    def gains(self, n: int) -> NDArray[np.float64]:
        return np.ones(min(n, self.cutoff or 1))


class NDCG(RankMetric):
    """1 / log2(r + 1) if r <= k; with one relevant item the ideal DCG is 1.

    Reference: Järvelin & Kekäläinen, TOIS 2002.

    >>> NDCG(5).gains(4).round(4).tolist()
    [1.0, 0.6309, 0.5, 0.4307]
    """

    kind = "ndcg"
    takes_cutoff = True

    def gains(self, n: int) -> NDArray[np.float64]:
        ranks = np.arange(1, n + 1, dtype=np.float64)
        return 1.0 / np.log2(ranks[: self.cutoff] + 1.0)


class MRR(RankMetric):
    """1 / r, the mean reciprocal rank."""

    kind = "mrr"

    def gains(self, n: int) -> NDArray[np.float64]:
        return 1.0 / np.arange(1, n + 1, dtype=np.float64)


class Adherence(RankMetric):
    """1 if r = 1; with split `adherence`, the item liked next is put before the one liked later.

    Reference: RecPO, appendix D.4.
    """

    kind = "adherence"
    first_only = True

    def gains(self, n: int) -> NDArray[np.float64]:
        return np.ones(min(n, 1))


class Avoidance(RankMetric):
    """1 if r > 1; with split `avoidance`, the item that will be disliked is not put first.

    A target that is not listed is avoided.

    Reference: RecPO, appendix D.4.
    """

    kind = "avoidance"
    first_only = True
    unlisted_gain = 1.0

    def gains(self, n: int) -> NDArray[np.float64]:
        return (np.arange(1, n + 1) > 1).astype(np.float64)
