"""Always-valid inference for an A/B test that is looked at while it runs.

The mixture sequential probability ratio test (mSPRT) with a normal mixture: however often one
looks, and whenever one stops, the chance of ever rejecting a true null is at most the level.

Reference: Robbins (1970); Johari, Koomen, Pekelis and Walsh (2022), "Always Valid Inference".
"""

import math
from dataclasses import dataclass

MIXTURE_SD = 0.01  # a percentage point: differences of rates that such tests look for


@dataclass(frozen=True)
class AlwaysValidTest:
    """One look at an A/B test."""

    difference: float
    ratio: float
    """The mixture likelihood ratio, 1 / p where that is below 1."""
    p: float
    """Always-valid p value of no difference; of several looks, the least one is valid, too."""
    low: float
    """Lower limit of the always-valid interval of the difference."""
    high: float


def msprt(
    control: tuple[int, int],
    treatment: tuple[int, int],
    level: float = 0.95,
    tau: float = MIXTURE_SD,
) -> AlwaysValidTest:
    """Look once at two arms, each (successes, trials).

    While a variance is unknown (an arm without trials, no or only successes) p is 1 and the
    interval is [-1, 1].

    Args:
        control: Successes and trials of the control.
        treatment: Successes and trials of the treatment.
        level: Confidence level.
        tau: SD of the normal mixture over the true difference, as a share up to 1. Any value is
            valid as long as it is chosen before the data; one near the true difference needs the
            fewest trials.

    Raises:
        ValueError: For impossible counts and settings.
    """
    (x0, n0), (x1, n1) = control, treatment
    if not (0 <= x0 <= n0 and 0 <= x1 <= n1 and 0 < tau <= 1 and 0 < level < 1):
        raise ValueError("needs 0 <= successes <= trials, 0 < tau <= 1 and a level within (0, 1)")
    if not n0 or not n1:
        return AlwaysValidTest(math.nan, 1.0, 1.0, -1.0, 1.0)
    p0, p1 = x0 / n0, x1 / n1
    difference = p1 - p0
    variance = p0 * (1 - p0) / n0 + p1 * (1 - p1) / n1
    if min(x0, n0 - x0, x1, n1 - x1) == 0:
        return AlwaysValidTest(difference, 1.0, 1.0, -1.0, 1.0)
    both = variance + tau**2
    log_ratio = 0.5 * math.log(variance / both) + (tau * difference) ** 2 / (2 * variance * both)
    reach = -math.log(1 - level) + 0.5 * math.log(both / variance)
    half = math.sqrt(2 * variance * both * reach) / tau
    return AlwaysValidTest(
        difference,
        math.exp(min(log_ratio, 700.0)),
        min(1.0, math.exp(-log_ratio)),
        max(-1.0, difference - half),
        min(1.0, difference + half),
    )
