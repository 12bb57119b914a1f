"""How many labels of people a corrected mean needs for an interval of some width, and where.

A corrected mean has two sources of error: the users, of whom the judged answers are a sample (their
grades vary, by S), and the labels, a sample of the answers (what the judge does not explain varies,
by E). With N judged answers and n labels the squared error is

    S^2 / N + (1/n - 1/N) E^2,

of which only the second part can be bought. Where the rubric decides M further answers alone, S is
the spread of all N + M answers, the first part is S^2 / (N + M), and the second one is times the
square of N / (N + M). Where the mean over several methods is to be precise, labels go where N E is
large (Neyman 1934).

A method without anything to judge needs no label, and one without a grade by the judge, or with too
few users for a correction, has no mean that labels could correct: they are set aside, and the
others planned. Where all labels of a method, or without labels all grades by the judge, are equal,
their spread of 0 says little of how people's grades vary: that of the others is taken, if there is
any.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri, stdtrit

from benchkit.count_text import count_text
from benchkit.stats.arrays import Floats
from benchkit.stats.calibration.answer_group import MIN_LABELLED_UNITS, AnswerGroup
from benchkit.stats.calibration.equal_labels import has_equal_labels

MIN_PILOT = 10  # labels of a method with which its own spread is used; else that of all methods
DEFAULT_CORRELATION = 0.5
NOTHING_TO_JUDGE = "needs no label"
NO_GRADE = "the judge gave no grade"
NO_SPREAD = "the judge's grades are all equal, and do not say how people's vary"


@dataclass(frozen=True)
class GroupPlan:
    """What is planned for one method."""

    n_answers: int
    """Judged answers."""
    n_certain: int
    """Answers that the rubric decides alone."""
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
    reason: str = ""
    """Why nothing is planned; spreads and floor are then NaN."""


@dataclass(frozen=True)
class LabelPlan:
    """Labels for a half-width."""

    half_width: float
    groups: tuple[GroupPlan, ...]
    reachable: bool
    """Whether the mean over all planned methods can be so precise with the answers there are."""
    from_labels: bool
    """Whether spreads come from labels of people."""


@dataclass(frozen=True)
class _Stratum:
    """What the error of one method depends on."""

    size: int
    """Judged answers."""
    total: int
    """Judged and certain ones."""
    sampling: float
    """Squared error of the mean with all answers labelled."""
    residual: float
    """Spread of what the judge does not explain, times the share of judged answers."""


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
    reasons = [_find_reason(group, fewest) for group in groups]
    planned = [group for group, reason in zip(groups, reasons, strict=True) if not reason]
    spreads, from_labels = _spreads(planned, correlation)
    if planned and not spreads:
        reasons = [reason or NO_SPREAD for reason in reasons]
        planned = []
    strata = [_stratum(group, *pair) for group, pair in zip(planned, spreads, strict=True)]
    neyman, reachable = _allocate(strata, half_width, level, fewest)
    plans = iter(
        GroupPlan(*_count(group), spread, residual,
                  _labels_for(stratum, half_width, level, fewest), number,
                  _half_width(stratum, stratum.size, level))
        for group, (spread, residual), stratum, number
        in zip(planned, spreads, strata, neyman, strict=True)
    )  # fmt: skip
    nan = float("nan")
    return LabelPlan(
        half_width,
        tuple(
            GroupPlan(*_count(group), nan, nan, None, 0, nan, reason) if reason else next(plans)
            for group, reason in zip(groups, reasons, strict=True)
        ),
        reachable,
        from_labels,
    )


def _find_reason(group: AnswerGroup, fewest: int) -> str:
    """Return why no label can be planned for a group, or ''."""
    n, n_units = len(group.judge), len(np.unique(group.units))
    if not n:
        return NOTHING_TO_JUDGE
    if np.isnan(group.judge).any():
        return NO_GRADE
    if n_units >= fewest:
        return ""
    of_users = f" of {count_text(n_units, 'user')}" if n_units < n else ""
    verb = "was" if n == 1 else "were"
    return (
        f"only {count_text(n, 'answer')}{of_users} {verb} judged, and a correction needs labels of"
        f" {fewest} users"
    )


def _count(group: AnswerGroup) -> tuple[int, int, int]:
    return len(group.judge), len(group.certain), int(group.labelled.sum())


def _spreads(
    groups: Sequence[AnswerGroup], correlation: float
) -> tuple[list[tuple[float, float]], bool]:
    """Return the spread of people's grades and of residuals in each group, and if labels say it.

    None at all where neither labels nor the judge's grades vary in any group.
    """
    pilots = [_pilot_spreads(group) for group in groups]
    if any(pilots):
        return _fill_spreads(groups, pilots), True
    by_judge = [
        None if group.equally_judged else (s, s * math.sqrt(1 - correlation**2))
        for group, s in ((group, float(np.std(group.judge))) for group in groups)
    ]
    return _fill_spreads(groups, by_judge), False


def _fill_spreads(
    groups: Sequence[AnswerGroup], spreads: Sequence[tuple[float, float] | None]
) -> list[tuple[float, float]]:
    """Return the spreads with those of the other groups where they are not known.

    Equal grades by the judge explain nothing of people's, so that all of their spread remains.
    """
    known = [pair for pair in spreads if pair is not None]
    if not known:
        return []
    spread, residual = (float(np.sqrt(np.mean([k[i] ** 2 for k in known]))) for i in (0, 1))
    return [
        pair or (spread, spread if group.equally_judged else residual)
        for group, pair in zip(groups, spreads, strict=True)
    ]


def _pilot_spreads(group: AnswerGroup) -> tuple[float, float] | None:
    labelled = group.labelled
    n = int(labelled.sum())
    if n < MIN_PILOT or has_equal_labels(group):  # whose spread of 0 says little
        return None
    shares = group.shares
    y = group.people[labelled] - shares @ group.people[labelled]
    f = group.judge[labelled] - shares @ group.judge[labelled]
    square = float(shares @ f**2)
    slope = float(shares @ (f * y)) / square if square > 0 else 0.0
    spread = float(np.sqrt(shares @ y**2 * n / (n - 1)))
    residual = float(np.sqrt(shares @ (y - slope * f) ** 2 * n / (n - 2)))
    return spread, min(spread, residual)


def _stratum(group: AnswerGroup, spread: float, residual: float) -> _Stratum:
    """Return the stratum of a group whose judged answers have these spreads."""
    n, total = len(group.judge), len(group.judge) + len(group.certain)
    share = n / total
    known = int(group.labelled.sum()) >= MIN_PILOT
    mean = float(group.shares @ group.people[group.labelled] if known else group.judge.mean())
    whole = share * mean + float(group.certain.sum()) / total
    square = share * (spread**2 + (mean - whole) ** 2)
    square += float(np.sum((group.certain - whole) ** 2)) / total
    return _Stratum(n, total, square * _design_effect(group) / total, share * residual)


def _design_effect(group: AnswerGroup) -> float:
    """Return by how much the mean varies more than it would over unrelated answers.

    The judge's grades stand in for people's.
    """
    grades = np.concatenate([group.judge, group.certain])
    f = grades - grades.mean()
    square = float(f @ f)
    if square <= len(f) * (1e-12 * float(np.abs(grades).max())) ** 2:  # rounding
        return 1.0
    sums = np.bincount(np.concatenate([group.units, group.certain_units]), f)
    return max(1.0, float(sums @ sums) / square)


def _labels_for(stratum: _Stratum, half_width: float, level: float, fewest: int) -> int | None:
    """Return the fewest labels with which the half-width is reached."""
    size = stratum.size

    def reaches(n: int) -> bool:
        return _half_width(stratum, n, level) <= half_width

    low, high = min(fewest, size), size
    if reaches(low):
        return low
    if not reaches(high):
        return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if reaches(middle) else (middle, high)
    return high


def _half_width(stratum: _Stratum, n: int, level: float) -> float:
    """Return the half-width that n labels of a method give its mean."""
    variance = stratum.sampling + (1 / n - 1 / stratum.size) * stratum.residual**2
    return float(stdtrit(max(1, n - 2), (1 + level) / 2) * np.sqrt(variance))


def _allocate(
    strata: Sequence[_Stratum], half_width: float, level: float, fewest: int
) -> tuple[list[int], bool]:
    """Return labels of each group for the mean over all answers, and whether it is reached."""
    if not strata:
        return [], True
    sizes = np.array([stratum.size for stratum in strata], dtype=np.float64)
    totals = np.array([stratum.total for stratum in strata], dtype=np.float64)
    shares = totals / totals.sum()
    residuals = shares * np.array([stratum.residual for stratum in strata])
    sampling = float(np.sum(shares**2 * [stratum.sampling for stratum in strata]))
    first_phase = sampling - float(np.sum(residuals**2 / sizes))
    budget = (half_width / float(ndtri((1 + level) / 2))) ** 2 - first_phase
    lower = np.minimum(fewest, sizes)
    if budget <= 0 or np.sum(residuals**2 / sizes) > budget:
        return [int(size) for size in sizes], False

    def numbers(total: float) -> Floats:
        importance = np.maximum(residuals, 1e-12)
        values: Floats = np.clip(total * importance / importance.sum(), lower, sizes)
        return values

    def variance(total: float) -> float:
        return float(np.sum(residuals**2 / numbers(total)))

    low, high = 0.0, 1.0
    while variance(high) > budget:
        high *= 2
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (low, middle) if variance(middle) <= budget else (middle, high)
    return [int(n) for n in np.minimum(np.ceil(numbers(high) - 1e-9), sizes)], True
