"""Serendipity: relevant recommendations that popularity alone would not have given."""

import numpy as np
from numpy.typing import NDArray

from benchkit.evaluation.metrics.base import MetricContext
from benchkit.evaluation.metrics.rank_based import RankMetric


class Serendipity(RankMetric):
    """|R & T - P| / |R|, with R the k items ranked first, T the target and P the popular items.

    With one target it is 1/k for a hit that is not popular.

    Reference: C-APO, appendix G.
    """

    kind = "serendipity"
    takes_cutoff = True
    is_weighted = True
    legend = (
        "SERENDIPITY@k: |R & T - P| / |R|, P the"
        " {popular_share} of the items with the most training interactions."
    )

    def gains(self, n: int) -> NDArray[np.float64]:
        k = self.cutoff or 1
        return np.full(min(n, k), 1.0 / k)

    def weights(self, context: MetricContext) -> NDArray[np.float64]:
        popular = popularity_mask(context.train_counts, context.popular_share)
        return (~popular)[context.cases.target].astype(np.float64)


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
