"""McNemar's (1947) test for metrics of 0 and 1, such as HR@1: only discordant cases count."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike


@dataclass(frozen=True)
class McNemarTest:
    """A two-sided test.

    The exact test stays below its level, by as much as the binomial is coarse; mid-p (Lancaster
    1961; Fagerland, Lydersen and Laake 2013) is at its level.
    """

    n: int
    only_a: int
    """Cases in which only a has a success."""
    only_b: int
    p: float
    """Exact p value."""
    mid_p: float
    """Its mid-p variant."""


def is_binary(values: ArrayLike) -> bool:
    """Return whether all values are 0 or 1. Ties that count by expectation are not."""
    x = np.asarray(values, dtype=np.float64)
    return bool(np.isin(x, (0.0, 1.0)).all())


def mcnemar(a: ArrayLike, b: ArrayLike) -> McNemarTest:
    """Test a [n] against b [n], 0 or 1 for the same n cases.

    Not statsmodels' function, which has no mid-p; its exact p is the same binomial.

    >>> test = mcnemar([1, 1, 1, 1, 0, 0], [0, 0, 0, 1, 1, 0])
    >>> test.only_a, test.only_b, test.p, test.mid_p
    (3, 1, 0.625, 0.375)

    Raises:
        ValueError: For values that are neither 0 nor 1, or of different cases.
    """
    from scipy.stats import binom

    x, y = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    if x.shape != y.shape or not (is_binary(x) and is_binary(y)):
        raise ValueError("McNemar's test needs values of 0 and 1 for the same cases")
    only_a, only_b = int((x > y).sum()), int((y > x).sum())
    fewer, both = min(only_a, only_b), only_a + only_b
    tails = 2 * float(binom.cdf(fewer, both, 0.5))
    point = float(binom.pmf(fewer, both, 0.5))
    # With as many on either side the one point lies in both tails, and counts once.
    mid = 1.0 - point / 2 if only_a == only_b else tails - point
    return McNemarTest(len(x), only_a, only_b, min(1.0, tails), mid if both else 1.0)
