"""A mean where values are missing in some classes more than in others (Oh and Scheuren, 1983).

The weighting-class estimator: the share of a class among all answers times the mean of those of its
answers that have a value, summed over the classes. It takes values to be missing at random within a
class, where the plain mean of what is there takes them to be missing at random altogether.

Arguments are [cases, classes]: answers of a case in each class; how many of them have a value; and
the sum of these values. Weights that are no integers are allowed.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from benchkit import seeds
from benchkit.stats.bootstrap import RESAMPLES

Floats = NDArray[np.float64]


def weighting_class_mean(answers: ArrayLike, valued: ArrayLike, sums: ArrayLike) -> float:
    """The estimate; NaN where a class has answers and no value.

    One class of 3 answers worth 0, one of 7 of which 5 have a value, 2 on average:

    >>> weighting_class_mean([[3, 7]], [[3, 5]], [[0, 10]])
    1.4
    """
    return float(_means(_stack_cases(answers, valued, sums).sum(axis=0)))


def weighting_class_interval(
    answers: ArrayLike,
    valued: ArrayLike,
    sums: ArrayLike,
    level: float = 0.95,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> tuple[float, float]:
    """Interval of `weighting_class_mean` at `level`, by the percentile bootstrap over cases.

    Deterministic for a seed. Shares and means of classes are estimated anew in every resample;
    resamples in which a class has answers and no value are left out. Cases that are alike are drawn
    together, as in `bootstrap.mean_interval`.
    """
    cases = _stack_cases(answers, valued, sums)
    n, _, classes = cases.shape
    distinct, counts = np.unique(cases.reshape(n, -1), axis=0, return_counts=True)
    rng = seeds.generator("weighting-class", seed, n)
    drawn = rng.multinomial(n, counts / n, size=resamples) @ distinct
    tail = (1 - level) / 2
    low, high = np.nanquantile(_means(drawn.reshape(-1, 3, classes)), [tail, 1 - tail])
    return float(low), float(high)


def _stack_cases(answers: ArrayLike, valued: ArrayLike, sums: ArrayLike) -> Floats:
    """[cases, 3, classes]"""
    return np.stack([np.asarray(part, dtype=np.float64) for part in (answers, valued, sums)], 1)


def _means(totals: Floats) -> Floats:
    """Of totals [..., 3, classes]."""
    answers, valued, sums = (totals[..., part, :] for part in range(3))
    there = answers > 0
    means = np.divide(sums, valued, out=np.full_like(sums, np.nan), where=valued > 0)
    weighted: Floats = np.sum(answers * np.where(there, means, 0.0), axis=-1)
    weighted /= np.sum(answers, axis=-1)
    return weighted
