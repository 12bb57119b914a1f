"""How many users a comparison needs, and which difference it can detect.

Both follow from the standard error of a difference and its degrees of freedom with n users:
`error_of_paired_difference` where only users vary, `CrossedEffects.expected_error` where trainings
vary, too. The latter is why this is not statsmodels' `TTestPower`, where df is n - 1.
"""

import math
from collections.abc import Callable

ErrorOfDifference = Callable[[float], tuple[float, float]]
"""n users, or infinity -> standard error of a difference of means, its degrees of freedom."""

_SATURATION = 1.0001  # times the error of infinitely many users: more of them change nothing


def error_of_paired_difference(sd: float) -> ErrorOfDifference:
    """Return the error of the mean of n paired differences, sd their standard deviation.

    >>> error_of_paired_difference(2.0)(16)
    (0.5, 15)
    """
    return lambda n: (sd / math.sqrt(n), n - 1)


def t_test_power(difference: float, se: float, df: float, alpha: float = 0.05) -> float:
    """Return the power of the two-sided t test of a difference at level `alpha`.

    Args:
        difference: True difference.
        se: Its standard error.
        df: Degrees of freedom of the standard error.
        alpha: Level of the test.
    """
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
    """Return the least n with which a difference is detected with `power` at level `alpha`.

    None where no number of users shows it, because trainings vary too much. With as many cases the
    permutation test and the t test have the same power.

    >>> min_users_for_power(error_of_paired_difference(sd=1.0), difference=0.5)
    34

    Raises:
        ValueError: For a difference that is not positive, or a power not within (alpha, 1).
    """
    if not (difference > 0 and alpha < power < 1):
        raise ValueError("needs difference > 0 and alpha < power < 1")

    def suffices(n: float) -> bool:
        return t_test_power(difference, *error(n), alpha) >= power

    least = error(math.inf)[0]
    low, high = 2, 4
    while not suffices(high):
        if error(high)[0] < _SATURATION * least:
            return None
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if suffices(middle) else (middle, high)
    return low if suffices(low) else high


def minimum_detectable_effect(
    se: float, df: float, power: float = 0.8, alpha: float = 0.05
) -> float:
    """Return the least difference that is detected with `power` at level `alpha`.

    `se` and `df` are its standard error and degrees of freedom; NaN without any of the latter.
    """
    from scipy.optimize import brentq

    if df <= 0:
        return float("nan")
    high = 1.0
    while t_test_power(high, 1.0, df, alpha) < power:
        high *= 2
    shift = brentq(lambda d: t_test_power(d, 1.0, df, alpha) - power, 0.0, high, xtol=1e-12)
    return se * float(shift)
