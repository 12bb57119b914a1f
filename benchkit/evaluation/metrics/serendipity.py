"""Serendipity: relevant recommendations that popularity alone would not have given."""

import re
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from benchkit.evaluation.metrics.rank_based import RankMetric


@dataclass(frozen=True)
class Serendipity(RankMetric):
    """serendipity@k: |R & T - P| / |R|, with R the k items ranked first, T the target and P the
    popular items (C-APO, appendix G). With one target it is 1/k for a hit that is not popular.

    unpopular: [n] whether the target of each case is outside P.

    >>> half = np.array([True, False])
    >>> round(Serendipity("serendipity@5", half).chance(np.array([30, 30])), 4)
    0.0167
    """

    unpopular: NDArray[np.bool_] = field(default_factory=lambda: np.ones(0, dtype=np.bool_))
    pattern: ClassVar[re.Pattern[str]] = re.compile(r"serendipity@(?P<k>[1-9]\d*)")

    def gains(self, n: int) -> NDArray[np.float64]:
        k = int(self.name.partition("@")[2])
        return np.full(min(n, k), 1.0 / k)

    def weights(self, n: int) -> NDArray[np.float64]:
        return self.unpopular[:n].astype(np.float64)


def popularity_mask(counts: NDArray[np.integer], share: float) -> NDArray[np.bool_]:
    """[n_items] P: the `share` of the items with the most training interactions.

    Of items that are equally popular at the border those with the smaller code are in P.

    >>> popular_items(np.array([1, 9, 5, 7]), 0.5).tolist()
    [False, True, False, True]
    """
    popular = np.zeros(len(counts), dtype=np.bool_)
    order = np.argsort(-counts, kind="stable")
    popular[order[: round(share * len(counts))]] = True
    return popular
