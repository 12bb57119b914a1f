"""Intervals of means that end where the scale of the grades does."""

from collections.abc import Sequence
from dataclasses import replace

from benchkit.stats.calibration.answer_group import AnswerGroup
from benchkit.stats.calibration.prediction_powered import CalibratedEstimate, Estimate


def clip_to_scale(
    estimate: CalibratedEstimate,
    groups: Sequence[AnswerGroup],
    coefficients: Sequence[float],
    limits: tuple[float, float],
) -> CalibratedEstimate:
    """Return the estimate with intervals that hold nothing the scale excludes.

    Values stay, and so does coverage: what is cut off cannot be true. An interval has its value in
    it even where a correction leads off the scale.

    Args:
        estimate: The sum of coefficients x means of the groups.
        groups: The groups.
        coefficients: One a group.
        limits: Lowest and highest grade of the scale.
    """
    low, high = _possible_range(groups, coefficients, limits)

    def clip(one: Estimate) -> Estimate:
        # NaN, no interval, must come first: comparisons with it are false, and it stays.
        lower, upper = max(one.low, low), min(one.high, high)
        return replace(one, low=min(lower, one.value), high=max(upper, one.value))

    return replace(
        estimate, corrected=clip(estimate.corrected), labels_alone=clip(estimate.labels_alone)
    )


def _possible_range(
    groups: Sequence[AnswerGroup], coefficients: Sequence[float], limits: tuple[float, float]
) -> tuple[float, float]:
    """Return the lowest and highest sum of coefficients x means that the scale allows."""
    lowest = highest = 0.0
    for group, coefficient in zip(groups, coefficients, strict=True):
        n, certain = len(group.judge), float(group.certain.sum())
        total = n + len(group.certain)
        ends = sorted(coefficient * (n * limit + certain) / total for limit in limits)
        lowest, highest = lowest + ends[0], highest + ends[1]
    return lowest, highest
