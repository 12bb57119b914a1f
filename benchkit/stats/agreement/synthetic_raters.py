"""Generated raters, for trying a protocol of agreement before people are asked."""

from typing import Final

import numpy as np

from benchkit import seeds
from benchkit.errors import ConfigError
from benchkit.stats.arrays import Floats

SYNTHETIC: Final = "SYNTHETIC"  # in every name and text of what is generated


def draw_grades(low: int, high: int, count: int, seed: int = 0) -> Floats:
    """Return [count] whole grades, the middle ones of the scale more frequent.

    A grade is the rounded mean of two uniform draws from the scale.
    """
    rng = seeds.generator("synthetic grades", seed, low, high, count)
    draws = rng.integers(low, high + 1, (count, 2)).mean(axis=1)
    grades: Floats = np.floor(draws + 0.5)
    return grades


def draw_raters(
    grades: Floats, low: int, high: int, raters: int, noise: float, seed: int
) -> Floats:
    """Return [n, raters] grades of generated raters about given ones.

    Each is the given grade plus a normal deviate of standard deviation `noise`, independent of all
    others, rounded (halves up) and kept within the scale. Without noise all are the given grades.

    Args:
        grades: [n] what they rate around.
        low: Lowest grade of the scale.
        high: Highest grade.
        raters: Number of raters.
        noise: Standard deviation, in grades.
        seed: Seed of the draws.

    Raises:
        ConfigError: The noise is negative or not a number.
    """
    if not 0 <= noise < float("inf"):
        raise ConfigError(f"noise {noise:g} is no standard deviation", "give a number from 0 on")
    rng = seeds.generator("synthetic raters", seed, len(grades), raters)
    moved = np.asarray(grades)[:, None] + noise * rng.standard_normal((len(grades), raters))
    rated: Floats = np.clip(np.floor(moved + 0.5), low, high)
    return rated
