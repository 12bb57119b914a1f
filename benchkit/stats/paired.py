"""Paired comparison of methods over the same cases: difference, interval and p.

The p value is that of `permutation_test`. The interval is the percentile bootstrap (Efron 1979): cases
are drawn with replacement, and all methods are seen on the same draws, so that pairing holds.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from benchkit import seeds
from benchkit.stats import permutation_test
from benchkit.stats.bootstrap import RESAMPLES
from benchkit.stats.crossed_effects import try_crossed_effects
from benchkit.stats.permutation_test import SIGN_FLIP_DRAWS, DifferenceCounts

_MOST_CODES = 200  # distinct values for which a joint histogram is the quickest way to count
_CELLS = 4_000_000  # drawn cases at a time

Floats = NDArray[np.float64]
MethodPairs = Sequence[tuple[int, int]]


@dataclass(frozen=True)
class PairedComparison:
    """Mean of a - b over n cases, its bootstrap interval, and the two-sided permutation p."""

    n: int
    difference: float
    low: float
    high: float
    p: float


def compare_paired(
    a: ArrayLike,
    b: ArrayLike,
    *,
    level: float = 0.95,
    draws: int = SIGN_FLIP_DRAWS,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> PairedComparison:
    """Compare values a [n] and b [n] of the same n cases. Deterministic for a seed.

    Raises ValueError where the lengths differ, a value is not finite or there is no case. For many
    pairs `compare_pairs` is the same at a fraction of the time.
    """
    x, y = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    if x.shape != y.shape:
        raise ValueError(f"a and b must be of the same cases, got {x.shape} and {y.shape}")
    values = np.stack([x, y])
    return compare_pairs(
        values, [(0, 1)], level=level, draws=draws, resamples=resamples, seed=seed
    )[0]


def compare_pairs(
    values: ArrayLike,
    pairs: MethodPairs | None = None,
    *,
    level: float = 0.95,
    draws: int = SIGN_FLIP_DRAWS,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> list[PairedComparison]:
    """Compare rows of `values` [methods, n]: one PairedComparison for each (a, b) of `pairs`.

    pairs: indices of rows; all a < b in order when None. Each result equals that of `compare_paired`.
    Raises ValueError as `compare_paired` does.
    """
    v = np.asarray(values, dtype=np.float64)
    if v.ndim != 2 or not v.shape[1]:
        raise ValueError(f"values must be [methods, cases] with a case, got {v.shape}")
    if not np.isfinite(v).all():
        raise ValueError("values must be finite")
    chosen = list(combinations(range(len(v)), 2)) if pairs is None else list(pairs)
    if not chosen:
        return []
    p = permutation_test.sign_flip_p_values(count_pair_differences(v, chosen), draws, seed)
    low, high = _intervals(v, chosen, level, resamples, seed)
    means = [float(np.mean(v[a] - v[b])) for a, b in chosen]
    return [
        PairedComparison(v.shape[1], *map(float, row))
        for row in zip(means, low, high, p, strict=True)
    ]


def paired_p_values(values: Sequence[Floats], pairs: MethodPairs) -> list[float]:
    """Two-sided p of each pair of methods, of which each has values [seeds, n] of the same n cases.

    Over users and seeds where both have seeds enough (`try_crossed_effects`), else over users alone, of
    values averaged over seeds.
    """
    found = [try_crossed_effects(values[a], values[b]) for a, b in pairs]
    users = [pair for pair, over in zip(pairs, found, strict=True) if over is None]
    pooled = np.stack([own.mean(axis=0) for own in values])
    flips = iter(
        permutation_test.sign_flip_p_values(count_pair_differences(pooled, users)).tolist()
        if users
        else []
    )
    return [next(flips) if over is None else over.p for over in found]


def count_pair_differences(values: Floats, pairs: MethodPairs) -> list[DifferenceCounts]:
    """Tally of the differences of each pair of rows of `values` [methods, n]."""
    distinct, inverse = np.unique(np.round(values, 12), return_inverse=True)
    if len(distinct) > _MOST_CODES:
        return [permutation_test.count_differences(values[a] - values[b]) for a, b in pairs]
    k = len(distinct)
    codes = inverse.reshape(values.shape).astype(np.intp)
    cells = np.round(distinct[:, None] - distinct[None, :], 12).ravel()
    size, which = np.unique(np.abs(cells), return_inverse=True)
    firsts = {a: codes[a] * k for a in {a for a, _ in pairs}}
    found = []
    for a, b in pairs:
        joint = np.bincount(firsts[a] + codes[b], minlength=k * k)
        plus = np.bincount(which, joint * (cells > 0), len(size)).astype(np.int64)
        minus = np.bincount(which, joint * (cells < 0), len(size)).astype(np.int64)
        there = plus + minus > 0
        found.append(DifferenceCounts(size[there], plus[there], minus[there]))
    return found


def _intervals(
    values: Floats, pairs: MethodPairs, level: float, resamples: int, seed: int
) -> tuple[Floats, Floats]:
    """Percentile limits of the mean difference of each pair."""
    n = values.shape[1]
    rng = seeds.generator("paired-bootstrap", seed, n)
    base = values.mean(axis=1)
    centred = (values - base[:, None]).T  # means stay exact where a method has one value only
    means = np.empty((resamples, len(values)))
    rows = max(1, _CELLS // n)
    for start in range(0, resamples, rows):
        take = min(rows, resamples - start)
        drawn = rng.integers(0, n, size=(take, n), dtype=np.int32)
        drawn += np.arange(take, dtype=np.int32)[:, None] * n
        weights = np.bincount(drawn.ravel(), minlength=take * n).reshape(take, n)
        means[start : start + take] = weights.astype(np.float64) @ centred / n
    means += base
    tail = (1 - level) / 2
    limits = np.array([_limits(means[:, a] - means[:, b], tail) for a, b in pairs])
    return limits[:, 0], limits[:, 1]


def _limits(means: Floats, tail: float) -> tuple[float, float]:
    low, high = np.quantile(means, [tail, 1 - tail])
    return float(low), float(high)
