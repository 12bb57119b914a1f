"""How many users a paired comparison needs, and what it can see."""

import math


def power_of(n: int, sd: float, difference: float, alpha: float = 0.05) -> float:
    """Power of the two-sided paired t test of n cases, sd the SD of the differences."""
    from scipy.stats import nct, t

    limit = float(t.isf(alpha / 2, n - 1))
    shift = abs(difference) / sd * math.sqrt(n)
    # The far tail is nothing where SciPy's series for it fails.
    below = 0.0 if shift > 5 else float(nct.cdf(-limit, n - 1, shift))
    return float(nct.sf(limit, n - 1, shift)) + below


def users_needed(sd: float, difference: float, power: float = 0.8, alpha: float = 0.05) -> int:
    """Least n with which a difference is found with `power` at level `alpha`.

    sd: observed standard deviation of the paired differences. With as many cases the permutation
    test and the t test have the same power. Raises ValueError for a difference or an SD that is not
    positive, or a power not within (alpha, 1).

    >>> users_needed(sd=1.0, difference=0.5)
    34
    """
    if not (difference > 0 and sd > 0 and alpha < power < 1):
        raise ValueError("needs difference > 0, sd > 0 and alpha < power < 1")
    low, high = 2, 4
    while power_of(high, sd, difference, alpha) < power:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        if power_of(middle, sd, difference, alpha) < power:
            low = middle
        else:
            high = middle
    return low if power_of(low, sd, difference, alpha) >= power else high


def detectable(n: int, sd: float, power: float = 0.8, alpha: float = 0.05) -> float:
    """Least difference that n cases show with `power` at level `alpha`. NaN for n < 2."""
    from scipy.optimize import brentq

    if n < 2:
        return float("nan")
    if sd == 0:
        return 0.0
    high = sd
    while power_of(n, sd, high, alpha) < power:
        high *= 2
    return float(brentq(lambda d: power_of(n, sd, d, alpha) - power, 0.0, high, xtol=1e-12))
