"""Step-down p values that are adjusted for many comparisons by the draws of their maximum."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from benchkit.stats.arrays import Floats
from benchkit.stats.permutation_test import p_value_of_hits

_SLACK = 1e-4  # statistics that differ by less are equal, but for single precision


def step_down_p_values(observed: ArrayLike, null: Iterable[NDArray[np.floating]]) -> Floats:
    """Return the adjusted p value of each absolute statistic, in the order given.

    The largest is compared with draws of the largest of all, the next with draws of the largest of
    those that are left, and so on: less is lost than by Holm's method, which knows nothing of how
    statistics depend on each other.

    Args:
        observed: [m] absolute statistics.
        null: Chunks [draws, m] of joint draws of them, where nothing differs.

    Reference: Westfall and Young (1993), Resampling-based multiple testing, algorithm 2.8.
    """
    statistics = np.asarray(observed, dtype=np.float64)
    order = np.argsort(statistics, kind="stable")  # so that maxima accumulate from the smallest
    limits = statistics[order] - _SLACK
    hits, draws = np.zeros(len(order), dtype=np.int64), 0
    for chunk in null:
        largest = np.maximum.accumulate(chunk[:, order], axis=1)
        hits += (largest >= limits).sum(axis=0)
        draws += len(chunk)
    p = np.ones(len(order))
    # A smaller statistic is never more significant than a larger one.
    p[order[::-1]] = np.maximum.accumulate(p_value_of_hits(hits, draws)[::-1])
    return p
