"""A scale of categories, and where grades stand on it."""

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from benchkit.errors import ConfigError, DataError
from benchkit.stats.agreement.contingency import Floats

_MOST = 21  # whole grades from the lowest to the highest, above which no scale is inferred


def parse_scale(text: str) -> tuple[float, ...]:
    """The categories that `text` names: a range of whole numbers, or a list.

    >>> parse_scale("0-3")
    (0.0, 1.0, 2.0, 3.0)
    >>> parse_scale("1, 1.5, 2")
    (1.0, 1.5, 2.0)

    Raises ConfigError for anything else.
    """
    hint = "give a range (--scale 0-3) or all categories, ascending (--scale 0,1,2,3)"
    ends = re.fullmatch(r"\s*(-?\d+)\s*-\s*(-?\d+)\s*", text)
    try:
        if ends:
            categories = tuple(map(float, range(int(ends[1]), int(ends[2]) + 1)))
        else:
            categories = tuple(map(float, text.split(",")))
    except ValueError as error:
        raise ConfigError(f"{text!r} is no scale", hint) from error
    if len(categories) < 2 or not np.isfinite(categories).all() or (np.diff(categories) <= 0).any():
        raise ConfigError(f"{text!r} is no scale", hint)
    return categories


def infer_scale(grades: ArrayLike) -> tuple[float, ...] | None:
    """All whole numbers from the lowest grade to the highest; None where a grade is not whole, or
    there are more than 21 of them, or no grades."""
    values = np.asarray(grades, dtype=np.float64)
    values = values[~np.isnan(values)]
    if not values.size or (values != np.round(values)).any():
        return None
    low, high = int(values.min()), int(values.max())
    return tuple(map(float, range(low, high + 1))) if high - low < _MOST else None


def nearest_category(grades: Floats, categories: Sequence[float]) -> Floats:
    """Place 0..k-1 of the category nearest to each grade, a half up; NaN stays NaN.

    Raises DataError for a grade below the lowest category or above the highest.
    """
    known = np.asarray(categories, dtype=np.float64)
    there = ~np.isnan(grades)
    beyond = grades[there & ((grades < known[0]) | (grades > known[-1]))]
    if beyond.size:
        raise DataError(
            f"grade {beyond[0]:g} is not on the scale from {known[0]:g} to {known[-1]:g}"
            f" ({beyond.size} such grades)",
            "name the whole scale, or correct these grades",
        )
    # The least rounding: the mean of 2 and 3 is a half, however it was summed.
    places = np.searchsorted((known[1:] + known[:-1]) / 2, grades + 1e-9, side="right")
    return np.where(there, places.astype(np.float64), np.nan)
