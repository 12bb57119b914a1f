"""Whether grades are what they seem: on one scale, grades at all, and of the same items."""

from collections.abc import Iterator, Sequence

import numpy as np

from benchkit.count_text import count_text
from benchkit.errors import DataError
from benchkit.report.agreement.ratings_io import RatingsTable
from benchkit.stats.arrays import Floats

# What other programs write for "no grade", where it cannot be a grade.
_NO_GRADE_SIGNS = (-1.0, -9.0, -99.0, -999.0, -9999.0, 99.0, 999.0, 9999.0)
_MOST_RATIO = 3.0  # of two raters' ranges, above which they hardly are of one scale
_CAVEAT_RATIO = 2.0
_MOST_CAVEATS = 3
_SHORT_SCALE = 10.0  # up to this range, raters who use a third of a scale are usual
_NO_COMMON_SCALE = (
    "convert the grades to one scale, or measure correlations alone, which need none (--scale none)"
)


def refuse_lone_grades(ratings: RatingsTable) -> None:
    """Refuse ratings that compare nothing: no item has two grades."""
    graded = ~np.isnan(ratings.grades)
    if (graded.sum(axis=1) >= 2).any():
        return
    what = "answer" if ratings.systems else "item"
    counts = []
    for rater, rows in zip(ratings.raters, graded.T, strict=True):
        example = f", such as {ratings.items[int(rows.argmax())]!r}" if rows.any() else ""
        counts.append(f"{rater!r} graded {int(rows.sum())}{example}")
    shown = "; ".join(counts[:3]) + ("; ..." if len(counts) > 3 else "")
    raise DataError(
        f"no {what} was graded by two raters, so that there is nothing to compare: {shown}",
        "check that all files call an item the same, and that --item"
        + (" and --system name" if ratings.systems else " names")
        + " what was graded",
    )


def refuse_grades_off_scale(
    ratings: RatingsTable,
    scale: Sequence[float],
    hint: str = "name the whole scale, or correct these grades",
) -> None:
    """Refuse grades below the lowest category of a scale or above its highest.

    hint: what to do about them, where none of them may stand for no grade.
    """
    for rater, grades in zip(ratings.raters, ratings.grades.T, strict=True):
        outside = grades[(grades < scale[0]) | (grades > scale[-1])]
        if not outside.size:
            continue
        value = float(outside[0])
        if value in _NO_GRADE_SIGNS:
            hint = f"{_leave_empty(value)}; otherwise {hint}"
        raise DataError(
            f"grade {value:g} by {rater!r} is not on the scale from {scale[0]:g} to {scale[-1]:g}"
            f" ({count_text(outside.size, 'such grade')})",
            hint,
        )


def refuse_no_grade_signs(ratings: RatingsTable) -> None:
    """Refuse -1, 99 and their like beside grades of which they are far off."""
    for rater, sign, count in _find_no_grade_signs(ratings, ratings.grades):
        raise DataError(
            f"grade {sign:g} by {rater!r} may stand for no grade"
            f" ({count_text(count, 'such grade')}): all others are far from it",
            f"{_leave_empty(sign)}; if it is a grade, name the scale, as {_example_scale(ratings)}",
        )


def compare_ranges(ratings: RatingsTable) -> tuple[str, ...]:
    """Return what must be said of raters whose grades differ in range.

    A rater with fewer than two grades has no range.

    Raises:
        DataError: Two raters hardly grade on one scale: their ranges do not overlap, or one is more
            than 3 times the other and they are not both parts of a scale as short as 0-10.
    """
    caveats = []
    ranges = _ranges(ratings)
    for place, (first, low, high) in enumerate(ranges):
        for second, other_low, other_high in ranges[place + 1 :]:
            narrow, wide = sorted([high - low, other_high - other_low])
            ratio = wide / narrow if narrow else 0.0
            nested = narrow == min(high, other_high) - max(low, other_low)
            apart = max(low, other_low) - min(high, other_high)
            names = (
                f"{first!r} (from {low:g} to {high:g}) and {second!r} (from {other_low:g} to"
                f" {other_high:g})"
            )
            # Of constant raters, or one next to the other's range nothing can be said.
            if apart > 0 and (narrow or 0 < wide < apart):
                raise _two_scales(ratings, f"grades by {names} do not overlap")
            if ratio > _MOST_RATIO and not (nested and wide <= _SHORT_SCALE):
                raise _two_scales(
                    ratings, f"grades by {names} have ranges of which one is {ratio:.3g} times the"
                    " other",
                )  # fmt: skip
            if ratio >= _CAVEAT_RATIO:
                caveats.append(
                    f"Grades by {names} count as of one scale: name it (--scale), or, if they are"
                    " on different ones, measure correlations alone (--scale none)."
                )
    if len(caveats) > _MOST_CAVEATS:
        rest = len(caveats) - _MOST_CAVEATS
        caveats[_MOST_CAVEATS:] = [f"The same holds of {rest} more pairs of raters."]
    return tuple(caveats)


def describe_missing_scale(ratings: RatingsTable) -> str:
    """Return why no scale can be inferred from the grades, which are not all missing."""
    for rater, grades in zip(ratings.raters, ratings.grades.T, strict=True):
        present = grades[~np.isnan(grades)]
        between = present[present != np.round(present)]
        if between.size:
            return (
                f"Not all grades are whole numbers ({rater}: {between[0]:g},"
                f" {count_text(between.size, 'such grade')})"
            )
    ranges = _ranges(ratings, fewest=1)
    lowest, highest = min(ranges, key=lambda r: r[1]), max(ranges, key=lambda r: r[2])
    return (
        f"Grades go from {lowest[1]:g} ({lowest[0]}) to {highest[2]:g} ({highest[0]}), too many"
        " whole numbers to be taken for a scale"
    )


def describe_no_grade_signs(ratings: RatingsTable) -> Iterator[str]:
    """Yield a caveat for each rater who has -1, 99 and their like beside other grades."""
    for place in range(len(ratings.raters)):
        rater = ratings.select_raters([ratings.raters[place]])
        for name, sign, count in _find_no_grade_signs(rater, rater.grades):
            what = count_text(count, "grade")
            verb = "is" if count == 1 else "are"
            yield f"{what} by {name} {verb} {sign:g}; {_leave_empty(sign)}."


def _find_no_grade_signs(ratings: RatingsTable, grades: Floats) -> Iterator[tuple[str, float, int]]:
    """Yield rater, value and count of what may stand for no grade."""
    others = grades[~np.isnan(grades) & ~np.isin(grades, _NO_GRADE_SIGNS)]
    if not others.size:
        return
    low, high = float(others.min()), float(others.max())
    for sign in _NO_GRADE_SIGNS:
        # Of -1, 0 and 1 all are grades.
        if not (low >= 0 and high > 1 if sign < 0 else sign > _MOST_RATIO * high):
            continue
        counts = (grades == sign).sum(axis=0)
        if counts.any():
            place = int(counts.argmax())
            yield ratings.raters[place], sign, int(counts.sum())


def _leave_empty(sign: float) -> str:
    return f"if {sign:g} stands for no grade, leave these cells empty or remove the rows"


def _ranges(ratings: RatingsTable, fewest: int = 2) -> list[tuple[str, float, float]]:
    """Return name, lowest and highest grade of the raters with `fewest` grades or more."""
    ranges = []
    for rater, grades in zip(ratings.raters, ratings.grades.T, strict=True):
        present = grades[~np.isnan(grades)]
        if present.size >= fewest:
            ranges.append((rater, float(present.min()), float(present.max())))
    return ranges


def _two_scales(ratings: RatingsTable, cause: str) -> DataError:
    return DataError(
        f"{cause}: on different scales agreement means nothing",
        f"name the scale if it is one, as {_example_scale(ratings)}; otherwise {_NO_COMMON_SCALE}",
    )


def _example_scale(ratings: RatingsTable) -> str:
    low, high = np.floor(np.nanmin(ratings.grades)), np.ceil(np.nanmax(ratings.grades))
    return f"--scale {low:g}-{high:g}"
