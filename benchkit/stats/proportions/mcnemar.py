"""McNemar's (1947) test for metrics of 0 and 1, such as HR@1: only discordant cases count."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike


@dataclass(frozen=True)
class McNemarTest:
    """only_a, only_b: cases that only one of both has; p: exact; mid_p: its mid-p variant.

    The exact test keeps below its level, by as much as the binomial is coarse; mid-p (Lancaster
    1961; Fagerland, Lydersen and Laake 2013) is at its level. Both are two-sided.
    """

    n: int
    only_a: int
    only_b: int
    p: float
    mid_p: float


def is_binary(values: ArrayLike) -> bool:
    """Whether all values are 0 or 1. Ties that count by expectation are not."""
    x = np.asarray(values, dtype=np.float64)
    return bool(np.isin(x, (0.0, 1.0)).all())


def mcnemar(a: ArrayLike, b: ArrayLike) -> McNemarTest:
    """Test of a [n] and b [n], 0 or 1 for the same n cases. Raises ValueError for other values.

    >>> test = mcnemar([1, 1, 1, 1, 0, 0], [0, 0, 0, 1, 1, 0])
    >>> test.only_a, test.only_b, test.p, test.mid_p
    (3, 1, 0.625, 0.375)
    """
    from scipy.stats import binom

    x, y = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    if x.shape != y.shape or not (is_binary(x) and is_binary(y)):
        raise ValueError("McNemar's test needs values of 0 and 1 for the same cases")
    only_a, only_b = int((x > y).sum()), int((y > x).sum())
    fewer, both = min(only_a, only_b), only_a + only_b
    exact = min(1.0, 2 * float(binom.cdf(fewer, both, 0.5)))
    point = float(binom.pmf(fewer, both, 0.5))
    # With as many on either side the one point lies in both tails, and counts once.
    mid = 1.0 - point / 2 if only_a == only_b else 2 * float(binom.cdf(fewer, both, 0.5)) - point
    return McNemarTest(len(x), only_a, only_b, exact, mid if both else 1.0)
