"""Serendipity: relevant recommendations that popularity alone would not have given."""

import numpy as np
from numpy.typing import NDArray

from benchkit.evaluation.metrics.base import MetricContext
from benchkit.evaluation.metrics.rank_based import RankMetric
from benchkit.stats.chance_test import rank_distribution_p_value


class Serendipity(RankMetric):
    """|R & T - P| / |R|, with R the k items ranked first, T the target and P the popular items.

    With one target it is 1/|R| for a hit that is not popular. |R| is k, or the length of the list
    where that is shorter: sampled answers that repeat themselves make a list of fewer items.

    Reference: C-APO, appendix G.
    """

    kind = "serendipity"
    takes_cutoff = True
    is_weighted = True
    legend = (
        "SERENDIPITY@k: |R & T - P| / |R|, R the first k items of the list or all of a shorter one,"
        " P the {popular_share} of the items with the most training interactions."
    )

    def gains(self, n: int) -> NDArray[np.float64]:
        size = min(n, self.cutoff or 1)
        return np.full(size, 1.0 / size)

    def weights(self, context: MetricContext) -> NDArray[np.float64]:
        popular = popularity_mask(context.train_counts, context.popular_share)
        is_novel = (~popular)[context.cases.target]
        return is_novel * self._longest(context) / np.maximum(self._sizes(context), 1)

    def chance_level(self, context: MetricContext) -> float:
        """Return the exact expectation: whatever |R| is, R holds the target with |R| / candidates.

        Divided by |R| that is 1 / candidates.
        """
        can_gain = self.weights(context) > 0
        return float((can_gain / context.ranks.n_candidates).mean())

    def p_value(self, context: MetricContext, values: NDArray[np.float64]) -> float | None:
        sizes, can_gain = self._sizes(context), self.weights(context) > 0
        if (sizes == self._longest(context)).all() or not can_gain.any():
            return super().p_value(context, values)
        # A list of r items gains 1/r with probability r / candidates. Drawn from the mean of the
        # cases' distributions, as for candidate lists of different lengths.
        of_size = np.arange(1, sizes.max(initial=1) + 1)
        in_list = sizes[can_gain] / context.ranks.n_candidates[can_gain]
        hit = [in_list[sizes[can_gain] == size].sum() / can_gain.sum() for size in of_size]
        mean = float(values.mean() / can_gain.mean())
        return rank_distribution_p_value(mean, 1.0 / of_size, np.array(hit), int(can_gain.sum()))

    def _longest(self, context: MetricContext) -> int:
        """Return |R| of a list as long as the longest ranking, by which `gains` divides."""
        return len(self.gains(int(context.ranks.n_candidates.max(initial=1))))

    def _sizes(self, context: MetricContext) -> NDArray[np.int64]:
        """Return [n] |R| of each case; 0 where nothing is listed."""
        if self.first_only:
            return np.ones(len(context), dtype=np.int64)
        listed = context.ranks.n_candidates
        if context.list_lengths is not None:
            listed = context.list_lengths
        return np.minimum(listed, self.cutoff or 1)


def popularity_mask(counts: NDArray[np.integer], share: float) -> NDArray[np.bool_]:
    """Return [n_items] P: the `share` of the items with the most training interactions.

    Of items that are equally popular at the border those with the smaller code are in P.

    >>> popularity_mask(np.array([1, 9, 5, 7]), 0.5).tolist()
    [False, True, False, True]
    """
    popular = np.zeros(len(counts), dtype=np.bool_)
    order = np.argsort(-counts, kind="stable")
    popular[order[: round(share * len(counts))]] = True
    return popular
