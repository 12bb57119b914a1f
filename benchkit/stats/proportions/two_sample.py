"""Two proportions of independent arms: test, intervals of difference and lift, sample size."""

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class ConfidenceInterval:
    low: float
    high: float


@dataclass(frozen=True)
class ProportionComparison:
    """Treatment against control; rates are shares, `lift` is relative (0.08 is 8 % more).

    z: pooled two-proportion z. p: two-sided. p_greater: one-sided, treatment above control.
    wald, newcombe: intervals of `difference`; newcombe is Newcombe's (1998) method 10, from Wilson
    scores. lift_interval: from the log of the ratio (Katz et al. 1978). NaN where undefined.
    """

    control: float
    treatment: float
    difference: float
    lift: float
    z: float
    p: float
    p_greater: float
    wald: ConfidenceInterval
    newcombe: ConfidenceInterval
    lift_interval: ConfidenceInterval


def compare_proportions(
    control: tuple[int, int], treatment: tuple[int, int], level: float = 0.95
) -> ProportionComparison:
    """Compare two arms, each (successes, trials).

    Raises ValueError where there are no trials, or successes are not among them.
    """
    from scipy.stats import norm

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
    return ProportionComparison(
        p0,
        p1,
        difference,
        p1 / p0 - 1 if p0 else math.nan,
        z,
        2 * float(norm.sf(abs(z))),
        float(norm.sf(z)),
        ConfidenceInterval(difference - half, difference + half),
        _newcombe(control, treatment, limit),
        _lift(control, treatment, limit),
    )


def wilson_interval(successes: int, trials: int, limit: float) -> ConfidenceInterval:
    """Wilson's (1927) score interval of a share; limit: the normal quantile."""
    p, square = successes / trials, limit**2
    middle = (p + square / (2 * trials)) / (1 + square / trials)
    half = limit * math.sqrt(p * (1 - p) / trials + square / (4 * trials**2))
    half /= 1 + square / trials
    return ConfidenceInterval(middle - half, middle + half)


def _newcombe(
    control: tuple[int, int], treatment: tuple[int, int], limit: float
) -> ConfidenceInterval:
    p0, p1 = control[0] / control[1], treatment[0] / treatment[1]
    w0, w1 = wilson_interval(*control, limit), wilson_interval(*treatment, limit)
    return ConfidenceInterval(
        p1 - p0 - math.hypot(p1 - w1.low, w0.high - p0),
        p1 - p0 + math.hypot(w1.high - p1, p0 - w0.low),
    )


def _lift(control: tuple[int, int], treatment: tuple[int, int], limit: float) -> ConfidenceInterval:
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
    """Trials of control and treatment to find a relative `lift` of the rate `baseline`.

    The pooled z test's usual formula (Fleiss, Levin and Paik 2003, section 4.2). ratio: trials of
    the treatment for each of the control. Raises ValueError for rates not within (0, 1), a lift of
    zero, or a power not above alpha.
    """
    from scipy.stats import norm

    p0, p1 = baseline, baseline * (1 + lift)
    if not (0 < p0 < 1 and 0 < p1 < 1 and lift and alpha < power < 1 and ratio > 0):
        raise ValueError("needs rates within (0, 1), a lift, a ratio > 0 and alpha < power < 1")
    pooled = (p0 + ratio * p1) / (1 + ratio)
    null = math.sqrt(pooled * (1 - pooled) * (1 + 1 / ratio))
    real = math.sqrt(p0 * (1 - p0) + p1 * (1 - p1) / ratio)
    limit = float(norm.isf(alpha if one_sided else alpha / 2))
    control = ((limit * null + float(norm.isf(1 - power)) * real) / (p1 - p0)) ** 2
    return math.ceil(control), math.ceil(control * ratio)
