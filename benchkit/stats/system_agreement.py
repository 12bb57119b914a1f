"""Agreement of two raters about systems: of systems' mean grades, and within items."""

from collections.abc import Iterator, Sequence
from itertools import permutations as orders
from math import factorial

import numpy as np

from benchkit import seeds
from benchkit.stats.bootstrap import RESAMPLES
from benchkit.stats.grade_bootstrap import intervals
from benchkit.stats.grades import Estimate, Floats, Statistic, quotient
from benchkit.stats.row_correlation import CORRELATIONS, RowCorrelation

_SHUFFLES = 10_000  # of the systems' means, where not all orders can be tried
_EXACT = 7  # systems whose orders are all tried
_WITHIN = 1_000  # shuffles within items
_NAN = float("nan")


def system_level(
    a: Floats,
    b: Floats,
    *,
    level: float = 0.95,
    resamples: int = RESAMPLES,
    permutations: int = _SHUFFLES,
    seed: int = 0,
) -> dict[str, Estimate]:
    """Correlations over systems of the two raters' mean grades.

    a, b: [items, systems] grades; cells without both (NaN) count for neither. Interval: BCa
    bootstrap over items, the systems being given. p: the second rater's means are shuffled over
    the systems, two-sided; all orders for up to 7 systems, so that p is exact.
    """
    missing = np.isnan(a) | np.isnan(b)
    x, y = np.where(missing, 0.0, a), np.where(missing, 0.0, b)
    there = (~missing).astype(np.float64)
    known = there.any(axis=0)
    x, y, there = x[:, known], y[:, known], there[:, known]
    if known.sum() < 3:
        return dict.fromkeys(
            CORRELATIONS, Estimate(_NAN, reason="fewer than three systems graded by both")
        )
    used = np.flatnonzero(there.any(axis=1))
    x, y, there = x[used], y[used], there[used]
    once = np.ones((1, len(used)))
    means = _means(once, x, there), _means(once, y, there)
    statistics = {name: _system_statistic(f, x, y, there) for name, f in CORRELATIONS.items()}
    limits = intervals(
        statistics, np.arange(len(used)), level=level, resamples=resamples, seed=seed
    )
    found = {}
    for name, correlation in CORRELATIONS.items():
        value = float(correlation(*means)[0])
        if np.isnan(value):
            found[name] = Estimate(value, reason="a rater's means are the same for all systems")
            continue
        p = _system_p(correlation, means[0][0], means[1][0], permutations, seed)
        low, high, reason = limits[name]
        found[name] = Estimate(value, low, high, p, reason)
    return found


def within_items(
    a: Floats,
    b: Floats,
    *,
    level: float = 0.95,
    resamples: int = RESAMPLES,
    permutations: int = _WITHIN,
    seed: int = 0,
) -> tuple[dict[str, Estimate], dict[str, int]]:
    """Mean over items of the correlation over each item's answers; and how many items it is of.

    a, b: [items, systems] grades, NaN where missing. An item with fewer than two answers graded
    by both, or to which either rater gave equal grades, has no correlation and is left out.
    Interval: BCa bootstrap over items. p: the second rater's grades are shuffled within each
    item, two-sided.
    """
    found, counts = {}, {}
    for name, correlation in CORRELATIONS.items():
        values = correlation(a, b)
        kept = ~np.isnan(values)
        counts[name] = int(kept.sum())
        if not kept.any():
            reason = "no item has answers that both raters graded differently"
            found[name] = Estimate(_NAN, reason=reason)
            continue
        distinct, cell = np.unique(values[kept].round(12), return_inverse=True)
        limits = intervals(
            {name: _mean_of(distinct)}, cell, level=level, resamples=resamples, seed=seed
        )[name]
        rng = seeds.generator("within-items", seed, len(values))
        mean = float(values[kept].mean())
        shuffled = (
            float(correlation(*pair).mean())
            for pair in _shuffled_within(rng, a[kept], b[kept], permutations)
        )
        hits = sum(abs(other) >= abs(mean) - 1e-9 for other in shuffled)
        p = (1 + hits) / (1 + permutations)
        found[name] = Estimate(mean, limits.low, limits.high, p, limits.reason)
    return found, counts


def _means(weights: Floats, sums: Floats, there: Floats) -> Floats:
    """[m, systems] mean grades; NaN for a system without any."""
    counts = weights @ there
    return quotient(weights @ sums, counts, counts > 0)


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


def _shuffled_within(
    rng: np.random.Generator, a: Floats, b: Floats, size: int
) -> Iterator[tuple[Floats, Floats]]:
    """`b` shuffled within each row among the places where both are there."""
    missing = np.isnan(a) | np.isnan(b)
    front = np.argsort(missing, axis=1, kind="stable")
    x, y = (np.take_along_axis(side, front, axis=1) for side in (a, b))
    absent = np.take_along_axis(missing, front, axis=1)
    for _ in range(size):
        keys = np.where(absent, 2.0, rng.random(x.shape))  # the absent stay behind
        yield x, np.take_along_axis(y, np.argsort(keys, axis=1), axis=1)


def cube(
    items: Sequence[str], systems: Sequence[str], grades: Floats
) -> tuple[Floats, list[str], list[str]]:
    """[raters, items, systems] from long-form rows: `grades` [n, raters] of (item, system) [n]."""
    rows, row = np.unique(np.asarray(items, dtype=object).astype(str), return_inverse=True)
    columns, column = np.unique(np.asarray(systems, dtype=object).astype(str), return_inverse=True)
    table = np.full((grades.shape[1], len(rows), len(columns)), np.nan)
    table[:, row, column] = grades.T
    return table, rows.tolist(), columns.tolist()
