"""Paired comparison of methods over the same cases: difference, interval and p.

The p value is that of `permutation_test`, the interval that of `bootstrap`. The difference is a
mean over cases. Where users have several cases, the signs of all of a user's differences are
flipped together, so that what is flipped is their sum, and users are resampled.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import ArrayLike

from benchkit.stats.arrays import Floats
from benchkit.stats.bootstrap import RESAMPLES, metric_difference_intervals
from benchkit.stats.clusters import Clusters, count_clusters
from benchkit.stats.crossed_effects import try_crossed_effects
from benchkit.stats.permutation_test import (
    SIGN_FLIP_DRAWS,
    DifferenceCounts,
    count_differences,
    sign_flip_p_values,
)

_MAX_CODES = 200  # distinct values for which a joint histogram is the quickest way to count

MethodPairs = Sequence[tuple[int, int]]


@dataclass(frozen=True)
class PairedComparison:
    """Mean of a - b over n cases, its bootstrap interval, and the two-sided permutation p."""

    n: int
    difference: float
    low: float
    high: float
    p: float
    units: int
    """Independent units: users, or the n cases where each user has one."""


def compare_paired(
    a: ArrayLike,
    b: ArrayLike,
    *,
    level: float = 0.95,
    draws: int = SIGN_FLIP_DRAWS,
    resamples: int = RESAMPLES,
    seed: int = 0,
    clusters: Clusters | None = None,
) -> PairedComparison:
    """Compare values a [n] and b [n] of the same n cases. Deterministic for a seed.

    For many pairs `compare_pairs` gives the same in a fraction of the time.

    Raises:
        ValueError: Where the lengths differ, a value is not finite or there is no case.
    """
    x, y = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    if x.shape != y.shape:
        raise ValueError(f"a and b must be of the same cases, got {x.shape} and {y.shape}")
    both = np.stack([x, y])
    return compare_pairs(
        both, level=level, draws=draws, resamples=resamples, seed=seed, clusters=clusters
    )[0]


def compare_pairs(
    values: ArrayLike,
    pairs: MethodPairs | None = None,
    *,
    level: float = 0.95,
    draws: int = SIGN_FLIP_DRAWS,
    resamples: int = RESAMPLES,
    seed: int = 0,
    clusters: Clusters | None = None,
) -> list[PairedComparison]:
    """Compare the rows of `values` [methods, n]: one PairedComparison for each (a, b) of `pairs`.

    Each result equals that of `compare_paired`, which raises the same errors. By default pairs are
    all a < b, in order. clusters: the cases of each user, where users have several.
    """
    v = np.asarray(values, dtype=np.float64)
    if pairs is None:
        pairs = list(combinations(range(len(v)), 2))
    (comparisons,) = compare_metric_pairs(
        [v], [pairs], level=level, draws=draws, resamples=resamples, seed=seed, clusters=clusters
    )
    return comparisons


def compare_metric_pairs(
    metrics: Sequence[Floats],
    pairs: Sequence[MethodPairs],
    *,
    level: float = 0.95,
    draws: int = SIGN_FLIP_DRAWS,
    resamples: int = RESAMPLES,
    seed: int = 0,
    clusters: Clusters | None = None,
) -> list[list[PairedComparison]]:
    """Do as `compare_pairs` for several metrics of the same n cases, with the same resamples.

    Args:
        metrics: Values [methods, n] of each metric.
        pairs: The pairs (a, b) of each metric.
        level: Of the intervals.
        draws: Of signs.
        resamples: Of cases, or users.
        seed: Of the draws.
        clusters: The cases of each user, where users have several.
    """
    for v in metrics:
        if v.ndim != 2 or not v.shape[1]:
            raise ValueError(f"values must be [methods, cases] with a case, got {v.shape}")
        if not np.isfinite(v).all():
            raise ValueError("values must be finite")
    if not any(pairs):
        return [[] for _ in metrics]
    limits = metric_difference_intervals(metrics, pairs, level, resamples, seed, clusters)
    compared = []
    for v, of_metric, intervals in zip(metrics, pairs, limits, strict=True):
        by_user = v if clusters is None else clusters.sum(v)
        p = sign_flip_p_values(count_pair_differences(by_user, of_metric), draws, seed).tolist()
        n, units = v.shape[1], count_clusters(clusters, v.shape[1])
        compared.append(
            [
                PairedComparison(n, float(np.mean(v[a] - v[b])), *interval, p_value, units)
                for (a, b), interval, p_value in zip(of_metric, intervals, p, strict=True)
            ]
        )
    return compared


def paired_p_values(
    values: Sequence[Floats], pairs: MethodPairs, clusters: Clusters | None = None
) -> list[float]:
    """Return the two-sided p of each pair of methods, over the same n cases.

    Over users and seeds where both methods have seeds enough (`try_crossed_effects`), else over
    users alone, of values averaged over seeds.

    Args:
        values: Values [seeds, n] of each method.
        pairs: Indices (a, b) of the methods to compare.
        clusters: The cases of each user, where users have several.
    """
    crossed = [try_crossed_effects(values[a], values[b], clusters) for a, b in pairs]
    users_only = [pair for pair, effects in zip(pairs, crossed, strict=True) if effects is None]
    pooled = np.stack([of_method.mean(axis=0) for of_method in values])
    if clusters is not None:
        pooled = clusters.sum(pooled)
    flips = iter(
        sign_flip_p_values(count_pair_differences(pooled, users_only)).tolist()
        if users_only
        else []
    )
    return [next(flips) if effects is None else effects.p for effects in crossed]


def count_pair_differences(values: Floats, pairs: MethodPairs) -> list[DifferenceCounts]:
    """Count the differences of each pair of rows of `values` [methods, n]."""
    distinct, inverse = np.unique(np.round(values, 12), return_inverse=True)
    if len(distinct) > _MAX_CODES:
        return [count_differences(values[a] - values[b]) for a, b in pairs]
    k = len(distinct)
    codes = inverse.reshape(values.shape).astype(np.intp)
    cells = np.round(distinct[:, None] - distinct[None, :], 12).ravel()
    size, size_of_cell = np.unique(np.abs(cells), return_inverse=True)
    first_codes = {a: codes[a] * k for a in {a for a, _ in pairs}}
    counts = []
    for a, b in pairs:
        joint = np.bincount(first_codes[a] + codes[b], minlength=k * k)
        plus = np.bincount(size_of_cell, joint * (cells > 0), len(size)).astype(np.int64)
        minus = np.bincount(size_of_cell, joint * (cells < 0), len(size)).astype(np.int64)
        occurs = plus + minus > 0
        counts.append(DifferenceCounts(size[occurs], plus[occurs], minus[occurs]))
    return counts
