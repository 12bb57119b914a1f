"""Percentile bootstrap of a mean over users."""

import numpy as np
from numpy.typing import ArrayLike

from benchkit import seeds

RESAMPLES = 2000
_MOST_DISTINCT = 4096


def mean_interval(
    values: ArrayLike, level: float = 0.95, resamples: int = RESAMPLES, seed: int = 0
) -> tuple[float, float]:
    """Interval of the mean of `values` [n] at `level`, by the percentile bootstrap (Efron 1979).

    Deterministic for a seed. NaN limits for no values. A resample of n cases is a multinomial
    draw over the distinct values, of which rank metrics have few; that is the same law as drawing
    cases, at a hundredth of the cost.
    """
    x = np.asarray(values, dtype=np.float64)
    if not len(x):
        return float("nan"), float("nan")
    rng = seeds.generator("bootstrap", seed, len(x))
    distinct, counts = np.unique(x, return_counts=True)
    if len(distinct) == 1:
        return float(distinct[0]), float(distinct[0])
    if len(distinct) <= _MOST_DISTINCT:
        means = rng.multinomial(len(x), counts / len(x), size=resamples) @ distinct / len(x)
    else:
        means = np.array([x[rng.integers(0, len(x), len(x))].mean() for _ in range(resamples)])
    tail = (1 - level) / 2
    low, high = np.quantile(means, [tail, 1 - tail])
    return float(low), float(high)
