"""The interval of a mean that belongs to the sign-flip test.

A sign-flip test of the mean m flips the signs of x - m at random. The sum with the signs of a set
S turned is at least the observed one just where the mean of S is at most m. The share of sets with
such a mean is thus the one-sided p of m, and the limits are quantiles of the means of random sets,
each case being in half of them; the empty set is on either side.

Reference: Hartigan (1969), Using subsample values as typical values, JASA 64.
"""

import numpy as np
from numpy.typing import ArrayLike

from benchkit import seeds
from benchkit.stats.arrays import Floats
from benchkit.stats.bootstrap import split_draws
from benchkit.stats.clusters import Clusters

DRAWS = 4000
_EXACT = 12  # units, all of whose sets are gone through
_AT_ONCE = 2_000_000  # numbers drawn


def sign_flip_interval(
    values: ArrayLike, alpha: float = 0.05, seed: int = 0, clusters: Clusters | None = None
) -> tuple[float, float]:
    """Return the limits of the means of `values` [n] that are not rejected at `alpha`, two-sided.

    With `clusters`, the signs of a cluster go together. The limits are infinite where no mean is
    rejected, as with fewer than six units at .05, and NaN for no values.

    >>> sign_flip_interval([1.0, 1.0, 0.0, 0.0, 1.0])
    (-inf, inf)
    >>> sign_flip_interval([1.0, 2.0, 3.0, 4.0, 5.0, 6.0])
    (1.0, 6.0)
    """
    x = np.asarray(values, dtype=np.float64)
    if not len(x):
        return np.nan, np.nan
    sums = x if clusters is None else clusters.sum(x)
    sizes = np.ones(len(x)) if clusters is None else clusters.sizes.astype(np.float64)
    units = len(sums)
    if units <= _EXACT:
        drawn = (np.arange(2**units)[:, None] >> np.arange(units) & 1).astype(np.float64)
        means, empty = _subset_means(drawn, sums, sizes), 1
    else:
        rows, counts = np.unique(np.column_stack([sums, sizes]), axis=0, return_counts=True)
        rng = seeds.generator("sign-flip-interval", seed, units)
        parts = []
        for size in split_draws(DRAWS, max(1, _AT_ONCE // len(rows))):
            drawn = rng.binomial(counts, 0.5, (size, len(rows))).astype(np.float64)
            parts.append(_subset_means(drawn, rows[:, 0], rows[:, 1]))
        means = np.concatenate(parts)
        empty = DRAWS - len(means)
    # Of all sets, so many are at or beyond a limit that is just not rejected.
    needed = int(np.floor((len(means) + empty) * alpha / 2 + 1e-9)) + 1
    beyond = needed - empty
    if beyond <= 0:
        return -np.inf, np.inf
    ordered = np.sort(means)
    return float(min(ordered[beyond - 1], x.mean())), float(max(ordered[-beyond], x.mean()))


def _subset_means(drawn: Floats, sums: Floats, sizes: Floats) -> Floats:
    """Return the means of sets [m, units] that are not empty."""
    total, n = drawn @ sums, drawn @ sizes
    means: Floats = total[n > 0] / n[n > 0]
    return means
