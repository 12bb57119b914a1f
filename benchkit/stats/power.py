"""How many users a comparison needs, and what it can see.

Both follow from what the standard error of a difference is, and its degrees of freedom, with n
users: `error_of_paired_difference` where only users vary, `CrossedEffects.error` where trainings vary, too.
"""

import math
from collections.abc import Callable

ErrorOfDifference = Callable[[float], tuple[float, float]]
"""n users, or infinity -> standard error of a difference of means, its degrees of freedom."""

_AS_GOOD_AS_ALL = 1.0001  # times the error of infinitely many users: more of them change nothing


def error_of_paired_difference(sd: float) -> ErrorOfDifference:
    """Error of the mean of n paired differences, sd their standard deviation.

    >>> error_of_paired_difference(2.0)(16)
    (0.5, 15)
    """
    return lambda n: (sd / math.sqrt(n), n - 1)


def t_test_power(difference: float, se: float, df: float, alpha: float = 0.05) -> float:
    """Power of the two-sided t test of a difference, with standard error se and df degrees of
    freedom, at level `alpha`."""
    from scipy.stats import nct, t

    if se == 0:
        return 1.0
    limit = float(t.isf(alpha / 2, df))
    shift = abs(difference) / se
    # The far tail is nothing where SciPy's series for it fails.
    below = 0.0 if shift > 5 else float(nct.cdf(-limit, df, shift))
    return float(nct.sf(limit, df, shift)) + below


def min_users_for_power(
    error: ErrorOfDifference, difference: float, power: float = 0.8, alpha: float = 0.05
) -> int | None:
    """Least n with which a difference is found with `power` at level `alpha`; None where no number
    of users shows it, because trainings vary too much.

    With as many cases the permutation test and the t test have the same power. Raises ValueError
    for a difference that is not positive, or a power not within (alpha, 1).

    >>> min_users_for_power(error_of_paired_difference(sd=1.0), difference=0.5)
    34
    """
    if not (difference > 0 and alpha < power < 1):
        raise ValueError("needs difference > 0 and alpha < power < 1")

    def enough(n: float) -> bool:
        return t_test_power(difference, *error(n), alpha) >= power

    least = error(math.inf)[0]
    low, high = 2, 4
    while not enough(high):
        if error(high)[0] < _AS_GOOD_AS_ALL * least:
            return None
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return low if enough(low) else high


def minimum_detectable_effect(
    se: float, df: float, power: float = 0.8, alpha: float = 0.05
) -> float:
    """Least difference that is found with `power` at level `alpha`, with standard error se and df
    degrees of freedom. NaN without any degree of freedom."""
    from scipy.optimize import brentq

    if df <= 0:
        return float("nan")
    high = 1.0
    while t_test_power(high, 1.0, df, alpha) < power:
        high *= 2
    shift = brentq(lambda d: t_test_power(d, 1.0, df, alpha) - power, 0.0, high, xtol=1e-12)
    return se * float(shift)
