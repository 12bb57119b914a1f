"""A mean where values are missing in some classes more than in others (Oh and Scheuren 1983).

The weighting-class estimator is the share of a class among all answers times the mean of those of
its answers that have a value, summed over the classes. It takes values to be missing at random
within a class, whereas the plain mean takes them to be missing at random altogether.

Arguments are [cases, classes]: the answers of a case in each class; how many of them have a value;
and the sum of these values. Weights that are not integers are allowed. Where users have several
cases, a row is a user, with the sums of its cases: rows are what is resampled.
"""

import numpy as np
from numpy.typing import ArrayLike

from benchkit import seeds
from benchkit.stats.arrays import Floats
from benchkit.stats.bootstrap import RESAMPLES, percentile_interval, resample_sums


def weighting_class_mean(answers: ArrayLike, valued: ArrayLike, sums: ArrayLike) -> float:
    """Return the estimate; NaN where a class has answers and no value.

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
    """Return the percentile bootstrap interval over cases of `weighting_class_mean` at `level`.

    Shares and means of classes are estimated anew in every resample; resamples in which a class has
    answers and no value are dropped. Deterministic for a seed.
    """
    cases = _stack_cases(answers, valued, sums)
    rng = seeds.generator("weighting-class", seed, len(cases))
    drawn = resample_sums(rng, cases.reshape(len(cases), -1), resamples)
    means = _means(drawn.reshape(resamples, *cases.shape[1:]))
    defined = means[~np.isnan(means)]
    return percentile_interval(defined, level) if len(defined) else (float("nan"), float("nan"))


def _stack_cases(answers: ArrayLike, valued: ArrayLike, sums: ArrayLike) -> Floats:
    """Return [cases, 3, classes]."""
    return np.stack([np.asarray(part, dtype=np.float64) for part in (answers, valued, sums)], 1)


def _means(totals: Floats) -> Floats:
    """Return [...] estimates from totals [..., 3, classes]."""
    answers, valued, sums = (totals[..., part, :] for part in range(3))
    means = np.divide(sums, valued, out=np.full_like(sums, np.nan), where=valued > 0)
    weighted: Floats = np.sum(answers * np.where(answers > 0, means, 0.0), axis=-1)
    weighted /= np.sum(answers, axis=-1)
    return weighted
