"""Mean of all raters' pairwise quadratic-weighted kappas."""

from collections.abc import Sequence
from itertools import combinations

import numpy as np
from numpy.typing import ArrayLike

from benchkit.stats.agreement.contingency import (
    AgreementEstimate,
    divide_where,
    encode_clusters,
    nonuniform_weights,
)
from benchkit.stats.agreement.correlation import moments_of_counts
from benchkit.stats.agreement.rating_scale import nearest_category
from benchkit.stats.arrays import Floats
from benchkit.stats.bootstrap import RESAMPLES, bca_intervals


def mean_kappa(
    grades: ArrayLike,
    categories: Sequence[float],
    clusters: ArrayLike | None = None,
    weights: ArrayLike | None = None,
    *,
    level: float = 0.95,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> AgreementEstimate:
    """Return the mean QWK over the pairs of raters of `grades` [n, raters], NaN where missing.

    A pair counts with the items that both graded; a pair whose kappa is undefined makes the mean
    undefined. Interval: BCa bootstrap over items (over `clusters` [n], where items go together).
    weights: [n] how many items of a population each stands for.
    """
    table = np.asarray(grades, dtype=np.float64)
    rows, cell = np.unique(table, axis=0, return_inverse=True)
    centred = nearest_category(rows, categories) - (len(categories) - 1) / 2
    pairs = []
    for a, b in combinations(range(table.shape[1]), 2):
        both = np.flatnonzero(~np.isnan(rows[:, [a, b]]).any(axis=1))
        if not both.size:
            reason = "a pair of raters has no item in common"
            return AgreementEstimate(float("nan"), reason=reason)
        pairs.append((centred[both, a], centred[both, b], both))

    def statistic(counts: Floats) -> Floats:
        total = np.zeros(len(counts))
        for x, y, both in pairs:
            of_pair = counts[:, both]
            occurs = of_pair.sum(axis=1) > 0
            of_pair[~occurs, 0] = 1.0  # any count: the value is replaced by NaN
            mx, my, vx, vy, cov = moments_of_counts(x, y, of_pair)
            total += divide_where(2 * cov, vx + vy + (mx - my) ** 2, occurs & (vx + vy > 0))
        return total / len(pairs)

    weight = nonuniform_weights(weights)
    counts = np.bincount(cell, weight, len(rows))[None, :].astype(np.float64)
    value = float(statistic(counts)[0])
    if np.isnan(value):
        return AgreementEstimate(value, reason="the raters of a pair are constant")
    groups = encode_clusters(clusters, slice(None))
    low, high, reason = bca_intervals(
        {"mean": statistic}, cell, groups, weight, level=level, resamples=resamples, seed=seed
    )["mean"]
    return AgreementEstimate(value, low, high, reason=reason)
