"""Agreement of two raters about systems: of systems' mean grades, and within items."""

from collections.abc import Iterator
from itertools import permutations as orders
from math import factorial
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from benchkit import seeds
from benchkit.stats.agreement.contingency import (
    AgreementEstimate,
    Floats,
    Statistic,
    divide_where,
    nonuniform_weights,
)
from benchkit.stats.agreement.row_correlation import ROW_CORRELATIONS, RowCorrelation
from benchkit.stats.bootstrap import RESAMPLES
from benchkit.stats.grade_bootstrap import bca_intervals

_SHUFFLES = 10_000  # of the systems' means, where not all orders can be tried
_EXACT = 7  # systems whose orders are all tried
_WITHIN = 1_000  # shuffles within items
_NAN = float("nan")


def system_level_correlations(
    a: ArrayLike,
    b: ArrayLike,
    systems: ArrayLike,
    items: ArrayLike,
    weights: ArrayLike | None = None,
    *,
    level: float = 0.95,
    resamples: int = RESAMPLES,
    permutations: int = _SHUFFLES,
    seed: int = 0,
) -> tuple[dict[str, AgreementEstimate], int]:
    """Correlations over systems of the two raters' mean grades; and how many systems they are of.

    a, b: [n] grades of answers by `systems` [n] to `items` [n]; answers without both (NaN) count
    for neither. weights: [n] how many answers of its system each stands for. Interval: BCa
    bootstrap over items, the systems being given. p: the second rater's means are shuffled over
    the systems, two-sided; all orders for up to 7 systems, so that p is exact.
    """
    a, b, both = _both(a, b)
    weight = np.ones(len(both)) if (given := nonuniform_weights(weights)) is None else given
    names, column = np.unique(np.asarray(systems)[both], return_inverse=True)
    if len(names) < 3:
        reason = "fewer than three systems graded by both"
        return dict.fromkeys(ROW_CORRELATIONS, AgreementEstimate(_NAN, reason=reason)), len(names)
    row = np.unique(np.asarray(items)[both], return_inverse=True)[1]
    sums = np.zeros((3, int(row.max()) + 1, len(names)))
    for table, grades in zip(sums, (a, b, np.ones(len(a))), strict=True):
        np.add.at(table, (row, column), weight[both] * grades)
    x, y, there = sums
    once = np.ones((1, len(x)))
    means = _means(once, x, there), _means(once, y, there)
    statistics = {name: _system_statistic(f, x, y, there) for name, f in ROW_CORRELATIONS.items()}
    limits = bca_intervals(
        statistics, np.arange(len(x)), level=level, resamples=resamples, seed=seed
    )
    found = {}
    for name, correlation in ROW_CORRELATIONS.items():
        value = float(correlation(*means)[0])
        if np.isnan(value):
            found[name] = AgreementEstimate(
                value, reason="a rater's means are the same for all systems"
            )
            continue
        p = _system_p(correlation, means[0][0], means[1][0], permutations, seed)
        low, high, reason = limits[name]
        found[name] = AgreementEstimate(value, low, high, p, reason)
    return found, len(names)


def within_item_correlations(
    a: ArrayLike,
    b: ArrayLike,
    items: ArrayLike,
    *,
    level: float = 0.95,
    resamples: int = RESAMPLES,
    permutations: int = _WITHIN,
    seed: int = 0,
) -> tuple[dict[str, AgreementEstimate], dict[str, int]]:
    """Mean over items of the correlation over each item's answers; and how many items it is of.

    a, b: [n] grades of answers to `items` [n], NaN where missing. An item with fewer than two
    answers graded by both, or to which either rater gave equal grades, has no correlation and is
    left out. Interval: BCa bootstrap over items. p: the second rater's grades are shuffled within
    each item, two-sided.
    """
    a, b, both = _both(a, b)
    x, y = _by_item(np.asarray(items)[both], a, b)
    found, counts = {}, {}
    for name, correlation in ROW_CORRELATIONS.items():
        values = correlation(x, y)
        kept = ~np.isnan(values)
        counts[name] = int(kept.sum())
        if not kept.any():
            reason = "no item has answers that both raters graded differently"
            found[name] = AgreementEstimate(_NAN, reason=reason)
            continue
        distinct, cell = np.unique(values[kept].round(12), return_inverse=True)
        limits = bca_intervals(
            {name: _mean_of(distinct)}, cell, level=level, resamples=resamples, seed=seed
        )[name]
        rng = seeds.generator("within-items", seed, len(values))
        mean = float(values[kept].mean())
        shuffled = (
            float(correlation(*pair).mean())
            for pair in _shuffle_within(rng, x[kept], y[kept], permutations)
        )
        hits = sum(abs(other) >= abs(mean) - 1e-9 for other in shuffled)
        p = (1 + hits) / (1 + permutations)
        found[name] = AgreementEstimate(mean, limits.low, limits.high, p, limits.reason)
    return found, counts


def _both(a: ArrayLike, b: ArrayLike) -> tuple[Floats, Floats, NDArray[np.bool_]]:
    """The grades of the answers that have both, and which of all [n] these are."""
    x, y = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    both = ~(np.isnan(x) | np.isnan(y))
    return x[both], y[both], both


def _by_item(items: NDArray[Any], *grades: Floats) -> Floats:
    """[len(grades), items, answers] a row an item, NaN behind its last answer."""
    _, row, sizes = np.unique(items, return_inverse=True, return_counts=True)
    order = np.argsort(row, kind="stable")
    place = np.empty(len(row), dtype=np.int64)
    place[order] = np.arange(len(row)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    tables = np.full((len(grades), len(sizes), sizes.max(initial=0)), np.nan)
    tables[:, row, place] = grades
    return tables


def _means(weights: Floats, sums: Floats, there: Floats) -> Floats:
    """[m, systems] mean grades; NaN for a system without any."""
    counts = weights @ there
    return divide_where(weights @ sums, counts, counts > 0)


def _system_statistic(
    correlation: RowCorrelation, x: Floats, y: Floats, there: Floats
) -> Statistic:
    def statistic(weights: Floats) -> Floats:
        return correlation(_means(weights, x, there), _means(weights, y, there))

    return statistic


def _mean_of(values: Floats) -> Statistic:
    def statistic(counts: Floats) -> Floats:
        means: Floats = counts @ values / counts.sum(axis=1)
        return means

    return statistic


def _system_p(
    correlation: RowCorrelation, x: Floats, y: Floats, permutations: int, seed: int
) -> float:
    observed = abs(float(correlation(x[None], y[None])[0])) - 1e-9
    if factorial(len(x)) <= factorial(_EXACT):
        all_orders = y[np.array(list(orders(range(len(y)))))]
        values = np.abs(correlation(np.tile(x, (len(all_orders), 1)), all_orders))
        return float((values >= observed).mean())
    rng = seeds.generator("system-permutation", seed, len(x))
    shuffled = rng.permuted(np.tile(y, (permutations, 1)), axis=1)
    hits = (np.abs(correlation(np.tile(x, (permutations, 1)), shuffled)) >= observed).sum()
    return float((1 + hits) / (1 + permutations))


def _shuffle_within(
    rng: np.random.Generator, a: Floats, b: Floats, size: int
) -> Iterator[tuple[Floats, Floats]]:
    """`b` shuffled within each row, of tables as `_by_item` makes them."""
    absent = np.isnan(b)
    for _ in range(size):
        keys = np.where(absent, 2.0, rng.random(b.shape))  # the absent stay behind
        yield a, np.take_along_axis(b, np.argsort(keys, axis=1), axis=1)
