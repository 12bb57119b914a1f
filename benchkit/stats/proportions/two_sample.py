"""Two proportions of independent arms: test, intervals of difference and lift, sample size."""

import math
from dataclasses import dataclass

_MOST_TRIALS = 1e15  # above which a double does not count one by one


@dataclass(frozen=True)
class ConfidenceInterval:
    """Limits of an interval; NaN where it is undefined."""

    low: float
    high: float


@dataclass(frozen=True)
class ProportionComparison:
    """Treatment against control; rates are shares. NaN where a figure is undefined."""

    control: float
    treatment: float
    difference: float
    lift: float
    """Relative difference: 0.08 is 8 % more."""
    z: float
    """z statistic of the pooled test."""
    p: float
    """Two-sided p value."""
    p_greater: float
    """One-sided p value, treatment above control."""
    wald: ConfidenceInterval
    """Wald's interval of the difference."""
    newcombe: ConfidenceInterval
    """Newcombe's (1998) interval of the difference, method 10, from Wilson scores."""
    lift_interval: ConfidenceInterval
    """Interval of the lift, from the log of the ratio (Katz et al. 1978)."""


def compare_proportions(
    control: tuple[int, int], treatment: tuple[int, int], level: float = 0.95
) -> ProportionComparison:
    """Compare two arms, each (successes, trials).

    The closed forms stay here: statsmodels' z test and Wald interval are as long, and undefined
    with a warning where ours give NaN. Newcombe's interval is statsmodels'.

    Raises:
        ValueError: Where there are no trials, or successes are not among them.
    """
    from scipy.stats import norm
    from statsmodels.stats.proportion import confint_proportions_2indep

    (x0, n0), (x1, n1) = control, treatment
    for x, n in (control, treatment):
        if not 0 <= x <= n or n == 0:
            raise ValueError(f"{x} successes of {n} trials")
    p0, p1 = x0 / n0, x1 / n1
    limit = float(norm.isf((1 - level) / 2))
    difference = p1 - p0
    pooled = (x0 + x1) / (n0 + n1)
    null = math.sqrt(pooled * (1 - pooled) * (1 / n0 + 1 / n1))
    z = difference / null if null else math.nan
    half = limit * math.sqrt(p0 * (1 - p0) / n0 + p1 * (1 - p1) / n1)
    newcombe = confint_proportions_2indep(x1, n1, x0, n0, method="newcomb", alpha=1 - level)
    return ProportionComparison(
        p0,
        p1,
        difference,
        p1 / p0 - 1 if p0 else math.nan,
        z,
        2 * float(norm.sf(abs(z))),
        float(norm.sf(z)),
        ConfidenceInterval(difference - half, difference + half),
        ConfidenceInterval(*map(float, newcombe)),
        _lift_interval(control, treatment, limit),
    )


def _lift_interval(
    control: tuple[int, int], treatment: tuple[int, int], limit: float
) -> ConfidenceInterval:
    (x0, n0), (x1, n1) = control, treatment
    if not x0 or not x1:
        return ConfidenceInterval(math.nan, math.nan)
    ratio = (x1 / n1) / (x0 / n0)
    half = limit * math.sqrt(1 / x1 - 1 / n1 + 1 / x0 - 1 / n0)
    return ConfidenceInterval(ratio * math.exp(-half) - 1, ratio * math.exp(half) - 1)


def proportion_sample_size(
    baseline: float,
    lift: float,
    power: float = 0.8,
    alpha: float = 0.05,
    one_sided: bool = False,
    ratio: float = 1.0,
) -> tuple[int, int]:
    """Return the trials of control and treatment that the pooled z test needs.

    Args:
        baseline: Rate of the control.
        lift: Relative difference to detect.
        power: Probability of detecting it.
        alpha: Level of the test.
        one_sided: Whether the test is one-sided.
        ratio: Trials of the treatment for each of the control.

    Raises:
        ValueError: For rates not within (0, 1), a lift of zero, or a power not above alpha.

    Reference:
        Fleiss, Levin and Paik (2003), section 4.2.
    """
    from statsmodels.stats.proportion import samplesize_proportions_2indep_onetail

    p0, p1 = baseline, baseline * (1 + lift)
    if not (0 < p0 < 1 and 0 < p1 < 1 and lift and 0 < alpha < power < 1 and ratio > 0):
        raise ValueError("needs rates within (0, 1), a lift, a ratio > 0 and 0 < alpha < power < 1")
    side = "two-sided" if not one_sided else "smaller" if lift > 0 else "larger"
    control = float(
        samplesize_proportions_2indep_onetail(p0 - p1, p1, power, ratio, alpha, alternative=side)
    )
    if not control < _MOST_TRIALS:
        raise ValueError("so small a difference takes more trials than there can be")
    return math.ceil(control), math.ceil(control * ratio)
