"""What labels that are all equal leave open: their spread is 0, and still little is known.

Of n answers drawn at random all have one grade. Had a share q of all answers another one, a sample
would miss it with probability (1 - q)^n, which is 1 - level for q = 1 - (1 - level)^(1/n), about
3 / n at 95 % (the rule of three; Clopper and Pearson 1934, one-sided). The mean is then at most q
times the way to an end of the scale off. This is an upper bound of the error, as the other answers
are taken to have the farthest grade. Beside answers whose grades are certain, the mean cannot reach
the ends of the scale; an interval that was widened ends where it could be at most.
"""

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from benchkit.stats.calibration.answer_group import AnswerGroup
from benchkit.stats.calibration.prediction_powered import CalibratedEstimate, Estimate


def largest_missed_share(n: float, level: float = 0.95) -> float:
    """Return the largest share of other values that n equal ones drawn at random leave open.

    >>> round(largest_missed_share(20), 3), largest_missed_share(0)
    (0.139, 1.0)
    """
    return 1 - (1 - level) ** (1 / n) if n > 0 else 1.0


def has_equal_labels(group: AnswerGroup) -> bool:
    """Return whether a group has labels, and people's grades of all of them are the same."""
    grades = group.people[group.labelled]
    return len(grades) > 0 and bool((grades == grades[0]).all())


def describe_equal_labels(group: AnswerGroup, limits: tuple[float, float] | None) -> str:
    """Return what is to be known of a group's interval where its labels are all equal, or ''."""
    if not has_equal_labels(group):
        return ""
    grade = float(group.people[group.labelled][0])
    if limits is None:
        return f"people gave all {grade:g}, and without a scale there is no interval"
    missed = largest_missed_share(_effective_units(group))
    return (
        f"people gave all {grade:g}; the interval allows for another grade of"
        f" {100 * missed:.0f} % of the answers, which so few labels could have missed"
    )


def widen_for_equal_labels(
    estimate: CalibratedEstimate,
    groups: Sequence[AnswerGroup],
    coefficients: Sequence[float],
    limits: tuple[float, float] | None,
    level: float = 0.95,
) -> CalibratedEstimate:
    """Return the estimate with intervals that allow for what equal labels leave open.

    Args:
        estimate: The sum of coefficients x means of the groups.
        groups: The groups.
        coefficients: One a group.
        limits: Lowest and highest grade of the scale; None where it is not known, and so neither
            is the interval (NaN).
        level: Of the intervals.
    """
    below = above = 0.0
    for group, coefficient in zip(groups, coefficients, strict=True):
        if not has_equal_labels(group):
            continue
        if limits is None:
            below = above = math.nan
            break
        n, grade = len(group.judge), float(group.people[group.labelled][0])
        missed = largest_missed_share(_effective_units(group), level)
        reach = abs(coefficient) * missed * n / (n + len(group.certain))
        down, up = reach * (grade - limits[0]), reach * (limits[1] - grade)
        below += (down if coefficient > 0 else up) ** 2
        above += (up if coefficient > 0 else down) ** 2
    if below == above == 0:
        return estimate
    if all(map(has_equal_labels, groups)):  # what remains of the correction is rounding
        effective = float(estimate.n_labels)
        estimate = replace(estimate, corrected=estimate.labels_alone, effective_labels=effective)
    return replace(
        estimate,
        corrected=_widen(estimate.corrected, below, above),
        labels_alone=_widen(estimate.labels_alone, below, above),
    )


def _widen(estimate: Estimate, below: float, above: float) -> Estimate:
    """Return the estimate with squared distances added to both halves of its interval."""
    low = estimate.value - math.sqrt((estimate.value - estimate.low) ** 2 + below)
    high = estimate.value + math.sqrt((estimate.high - estimate.value) ** 2 + above)
    return replace(estimate, low=low, high=high)


def _effective_units(group: AnswerGroup) -> float:
    """Return the number of independent labels of equal weights that the group has (Kish)."""
    return min(1 / float(np.sum(group.shares**2)), group.n_labelled_units)
