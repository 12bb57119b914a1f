"""How many labels of people a corrected mean needs for an interval of some width, and where.

A corrected mean has two sources of error: the users, of whom the judged answers are a sample (their
grades vary, by S), and the labels, a sample of the answers (what the judge does not explain varies,
by E). With N judged answers and n labels the squared error is

    S^2 / N + (1/n - 1/N) E^2,

of which only the second part can be bought. Where the mean over several methods is to be precise,
labels go where N E is large (Neyman 1934).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri, stdtrit

from benchkit.stats.arrays import Floats
from benchkit.stats.calibration.answer_group import MIN_LABELLED_UNITS, AnswerGroup

_MIN_PILOT = 10  # labels of a method with which its own spread is used; else that of all methods
DEFAULT_CORRELATION = 0.5


@dataclass(frozen=True)
class GroupPlan:
    """What is planned for one method."""

    n_answers: int
    n_pilot: int
    """Labels that there are."""
    spread: float
    """Standard deviation of people's grades, known from labels or taken to be the judge's."""
    residual_spread: float
    """Standard deviation of what the judge does not explain of them."""
    labels_each: int | None
    """Labels for its own mean; None where all answers are too few."""
    labels_neyman: int
    """Its part of the labels for the mean over all methods."""
    floor: float
    """The half-width that is left where all answers are labelled."""


@dataclass(frozen=True)
class LabelPlan:
    """Labels for a half-width."""

    half_width: float
    groups: tuple[GroupPlan, ...]
    reachable: bool
    """Whether the mean over all methods can be so precise with the answers that there are."""
    from_labels: bool
    """Whether spreads come from labels of people."""


def plan_labels(
    groups: Sequence[AnswerGroup],
    half_width: float,
    *,
    correlation: float = DEFAULT_CORRELATION,
    level: float = 0.95,
    fewest: int = MIN_LABELLED_UNITS,
) -> LabelPlan:
    """Return the labels that corrected means need.

    Args:
        groups: The methods; labels are used as a pilot where there are any.
        half_width: Of the intervals.
        correlation: Of people's grades with the judge's, where no label says it; people's grades
            are then taken to vary as much as the judge's.
        level: Of the intervals.
        fewest: Labels of a method that a correction needs anyway.
    """
    spreads, from_labels = _spreads(groups, correlation)
    sizes = np.array([len(group.judge) for group in groups])
    effects = np.array([_design_effect(group) for group in groups])
    squares = np.array([s**2 for s, _ in spreads]) * effects
    residuals = np.array([e for _, e in spreads])
    plans = []
    neyman, reachable = _allocate(sizes, squares, residuals, half_width, level, fewest)
    for i, (group, (spread, residual)) in enumerate(zip(groups, spreads, strict=True)):
        floor = float(ndtri((1 + level) / 2) * np.sqrt(squares[i] / sizes[i]))
        each = _labels_for(int(sizes[i]), float(squares[i]), residual, half_width, level, fewest)
        plans.append(
            GroupPlan(int(sizes[i]), int(group.labelled.sum()), spread, residual, each,
                      int(neyman[i]), floor)
        )  # fmt: skip
    return LabelPlan(half_width, tuple(plans), reachable, from_labels)


def _spreads(
    groups: Sequence[AnswerGroup], correlation: float
) -> tuple[list[tuple[float, float]], bool]:
    """Return the spread of people's grades and of residuals in each group."""
    pilots = [_pilot_spreads(group) for group in groups]
    known = [pilot for pilot in pilots if pilot is not None]
    if known:
        typical = tuple(float(np.sqrt(np.mean([k[i] ** 2 for k in known]))) for i in (0, 1))
        return [pilot or (typical[0], typical[1]) for pilot in pilots], True
    by_judge = [float(np.std(group.judge)) for group in groups]
    return [(s, s * math.sqrt(1 - correlation**2)) for s in by_judge], False


def _pilot_spreads(group: AnswerGroup) -> tuple[float, float] | None:
    labelled = group.labelled
    n = int(labelled.sum())
    if n < _MIN_PILOT:
        return None
    shares = group.shares
    y = group.people[labelled] - shares @ group.people[labelled]
    f = group.judge[labelled] - shares @ group.judge[labelled]
    square = float(shares @ f**2)
    slope = float(shares @ (f * y)) / square if square > 0 else 0.0
    spread = float(np.sqrt(shares @ y**2 * n / (n - 1)))
    residual = float(np.sqrt(shares @ (y - slope * f) ** 2 * n / (n - 2)))
    return spread, min(spread, residual)


def _design_effect(group: AnswerGroup) -> float:
    """Return by how much the judge's mean varies more than it would over unrelated answers."""
    f = group.judge - group.judge.mean()
    square = float(f @ f)
    sums = np.bincount(group.units, f)
    return max(1.0, float(sums @ sums) / square) if square > 0 else 1.0


def _labels_for(
    size: int, square: float, residual: float, half_width: float, level: float, fewest: int
) -> int | None:
    """Return the fewest labels with which the half-width is reached."""

    def reaches(n: int) -> bool:
        variance = square / size + (1 / n - 1 / size) * residual**2
        return bool(stdtrit(max(1, n - 2), (1 + level) / 2) ** 2 * variance <= half_width**2)

    low, high = min(fewest, size), size
    if reaches(low):
        return low
    if not reaches(high):
        return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if reaches(middle) else (middle, high)
    return high


def _allocate(
    sizes: Floats, squares: Floats, residuals: Floats, half_width: float, level: float, fewest: int
) -> tuple[list[int], bool]:
    """Return labels of each group for the mean over all answers, and whether it is reached."""
    shares = sizes / sizes.sum()
    first_phase = float(np.sum(shares**2 * (squares - residuals**2) / sizes))
    budget = (half_width / float(ndtri((1 + level) / 2))) ** 2 - first_phase
    lower = np.minimum(fewest, sizes).astype(np.float64)
    if budget <= 0 or np.sum(shares**2 * residuals**2 / sizes) > budget:
        return [int(size) for size in sizes], False

    def numbers(total: float) -> Floats:
        importance = np.maximum(shares * residuals, 1e-12)
        values: Floats = np.clip(total * importance / importance.sum(), lower, sizes)
        return values

    def variance(total: float) -> float:
        return float(np.sum(shares**2 * residuals**2 / numbers(total)))

    low, high = 0.0, 1.0
    while variance(high) > budget:
        high *= 2
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (low, middle) if variance(middle) <= budget else (middle, high)
    return [int(n) for n in np.minimum(np.ceil(numbers(high) - 1e-9), sizes)], True
