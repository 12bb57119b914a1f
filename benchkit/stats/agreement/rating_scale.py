"""A scale of categories, and which of them a grade is nearest to."""

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from benchkit.errors import ConfigError, DataError
from benchkit.stats.arrays import Floats

_MAX_RANGE = 1001  # tables of pairs of grades are to fit into memory
_MAX_CATEGORIES = 21  # whole grades from the lowest to the highest, above which none is inferred


def parse_scale(text: str) -> tuple[float, ...]:
    """Return the categories that `text` names: a range of whole numbers, or a list.

    >>> parse_scale("0-3")
    (0.0, 1.0, 2.0, 3.0)
    >>> parse_scale("1, 1.5, 2")
    (1.0, 1.5, 2.0)

    Raises:
        ConfigError: For anything else.
    """
    ends = re.fullmatch(r"\s*(-?\d+)\s*-\s*(-?\d+)\s*", text)
    try:
        if ends:
            numbers = range(int(ends[1]), int(ends[2]) + 1)
            categories = tuple(map(float, numbers[: _MAX_RANGE + 1]))
        else:
            categories = tuple(map(float, text.split(",")))
    except (ValueError, OverflowError):
        categories = ()
    if len(categories) > _MAX_RANGE:
        raise ConfigError(
            f"{text[:40]!r} has more than {_MAX_RANGE} grades",
            "leave out --scale, or name it right",
        )
    if len(categories) < 2 or not np.isfinite(categories).all() or (np.diff(categories) <= 0).any():
        raise ConfigError(
            f"{text!r} is not a scale",
            "give a range (--scale 0-3) or all categories, ascending (--scale 0,1,2,3)",
        )
    return categories


def infer_scale(grades: ArrayLike) -> tuple[float, ...] | None:
    """Return all whole numbers from the lowest grade to the highest.

    None where a grade is not whole, there are more than 21 numbers, or no grades.
    """
    values = np.asarray(grades, dtype=np.float64)
    values = values[~np.isnan(values)]
    if not values.size or (values != np.round(values)).any():
        return None
    low, high = int(values.min()), int(values.max())
    return tuple(map(float, range(low, high + 1))) if high - low < _MAX_CATEGORIES else None


def nearest_category(grades: Floats, categories: Sequence[float]) -> Floats:
    """Return the position 0..k-1 of the category nearest to each grade, a half up; NaN stays NaN.

    Raises:
        DataError: For a grade below the lowest category or above the highest.
    """
    known = np.asarray(categories, dtype=np.float64)
    graded = ~np.isnan(grades)
    beyond = grades[graded & ((grades < known[0]) | (grades > known[-1]))]
    if beyond.size:
        raise DataError(
            f"grade {beyond[0]:g} is not on the scale from {known[0]:g} to {known[-1]:g}",
            "name the whole scale, or correct these grades",
        )
    # The least rounding: the mean of 2 and 3 is a half, however it was summed.
    positions = np.searchsorted((known[1:] + known[:-1]) / 2, grades + 1e-9, side="right")
    return np.where(graded, positions.astype(np.float64), np.nan)
