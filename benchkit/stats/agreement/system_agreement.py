"""Agreement of two raters about systems: of systems' mean grades, and within items."""

from collections.abc import Iterator
from itertools import permutations as orders
from math import factorial
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from benchkit import seeds
from benchkit.stats.agreement.contingency import AgreementEstimate, divide_where, nonuniform_weights
from benchkit.stats.agreement.correlation import (
    LONG_ROW,
    ROW_CORRELATIONS,
    RowCorrelation,
    row_kendall,
)
from benchkit.stats.arrays import Bools, Floats, Ints, Statistic
from benchkit.stats.bootstrap import RESAMPLES, bca_intervals
from benchkit.stats.permutation_test import shuffle_rows, two_sided_p_value

_SHUFFLES = 10_000  # of the systems' means, where not all orders can be tried
_EXACT = 7  # systems whose orders are all tried
_WITHIN = 1_000  # shuffles within items
_LONG_SHUFFLES = 1_000  # of many systems' means for tau-b, which is slow there
_LONG_ROWS = 100_000  # rows of many answers that are shuffled within items for tau-b
_MIN_WITHIN = 200
_NUMBERS_AT_ONCE = 2_000_000  # means of resamples held at once
_DENSE_ANSWERS = 20_000_000  # larger tables of items and systems are held sparse
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
    """Return correlations over systems of the two raters' mean grades, and the number of systems.

    Interval: BCa bootstrap over items, the systems being given. p: the second rater's means are
    shuffled over the systems, two-sided; all orders for up to 7 systems, so that p is exact, and
    1,000 shuffles for tau-b of more than 64.

    Args:
        a: [n] grades of the first rater; answers without both (NaN) count for neither.
        b: [n] grades of the second.
        systems: [n] system that gave each answer.
        items: [n] item that each answer is about.
        weights: [n] how many answers of its system each stands for.
    """
    a, b, both = _select_paired(a, b)
    weight = nonuniform_weights(weights)
    weight = np.ones(len(a)) if weight is None else weight[both]
    names, column = np.unique(np.asarray(systems)[both], return_inverse=True)
    if len(names) < 3:
        reason = "fewer than three systems graded by both"
        return dict.fromkeys(ROW_CORRELATIONS, AgreementEstimate(_NAN, reason=reason)), len(names)
    row = np.unique(np.asarray(items)[both], return_inverse=True)[1]
    shape = int(row.max()) + 1, len(names)
    x, y, answers = (
        _sum_by_answer(weight * grades, row, column, shape) for grades in (a, b, np.ones(len(a)))
    )
    observed = np.ones((1, shape[0]))
    means = _means(observed, x, answers), _means(observed, y, answers)
    statistics = {name: _statistic(f, x, y, answers) for name, f in ROW_CORRELATIONS.items()}
    limits = bca_intervals(
        statistics, np.arange(shape[0]), level=level, resamples=resamples, seed=seed
    )
    estimates = {}
    for name, correlation in ROW_CORRELATIONS.items():
        value = float(correlation(*means)[0])
        if np.isnan(value):
            reason = "a rater's means are the same for all systems"
            estimates[name] = AgreementEstimate(value, reason=reason)
            continue
        p = _shuffle_systems(correlation, means[0][0], means[1][0], permutations, seed)
        low, high, reason = limits[name]
        estimates[name] = AgreementEstimate(value, low, high, p, reason)
    return estimates, len(names)


def within_item_correlations(
    a: ArrayLike,
    b: ArrayLike,
    items: ArrayLike,
    clusters: ArrayLike | None = None,
    *,
    level: float = 0.95,
    resamples: int = RESAMPLES,
    permutations: int = _WITHIN,
    seed: int = 0,
) -> tuple[dict[str, AgreementEstimate], dict[str, int]]:
    """Return the mean over items of the correlation over each item's answers, and its items.

    An item with fewer than two answers graded by both, or to which either rater gave equal grades,
    has no correlation and is left out. Interval: BCa bootstrap over items (over `clusters`, where
    items go together). p: the second rater's grades are shuffled within each item, two-sided (for
    tau-b of more than 64 answers an item at least 200 times).

    Args:
        a: [n] grades of answers by the first rater, NaN where missing.
        b: [n] grades by the second.
        items: [n] item that each answer is about.
        clusters: [n] labels of items that are resampled together.
    """
    a, b, both = _select_paired(a, b)
    cluster = None if clusters is None else _clusters_of(items, clusters, both)
    x, y = _by_item(np.asarray(items)[both], a, b)
    estimates, counts = {}, {}
    for name, correlation in ROW_CORRELATIONS.items():
        values = correlation(x, y)
        defined = ~np.isnan(values)
        counts[name] = int(defined.sum())
        if not defined.any():
            reason = "no item has answers that both raters graded differently"
            estimates[name] = AgreementEstimate(_NAN, reason=reason)
            continue
        distinct, cell = np.unique(values[defined].round(12), return_inverse=True)
        together = None if cluster is None else np.unique(cluster[defined], return_inverse=True)[1]
        low, high, reason = bca_intervals(
            {name: _mean_of(distinct)}, cell, together, level=level, resamples=resamples, seed=seed
        )[name]
        rng = seeds.generator("within-items", seed, len(values))
        mean = float(values[defined].mean())
        shuffles = _shuffle_within(
            rng, y[defined], _count_shuffles(correlation, x[defined], permutations)
        )
        null = [float(correlation(x[defined], shuffled).mean()) for shuffled in shuffles]
        p = two_sided_p_value(np.array(null), mean)
        estimates[name] = AgreementEstimate(mean, low, high, p, reason)
    return estimates, counts


def _clusters_of(items: ArrayLike, clusters: ArrayLike, rows: Bools) -> NDArray[Any] | None:
    """Return [items] the cluster of each, in the order of `_by_item`; None where each has one."""
    _, first = np.unique(np.asarray(items)[rows], return_index=True)
    labels = np.asarray(clusters)[rows][first]
    return labels if len(np.unique(labels)) < len(labels) else None


def _select_paired(a: ArrayLike, b: ArrayLike) -> tuple[Floats, Floats, Bools]:
    """Return the grades of the answers that have both, and which of all [n] these are."""
    x, y = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    both = ~(np.isnan(x) | np.isnan(y))
    return x[both], y[both], both


def _by_item(items: NDArray[Any], *grades: Floats) -> Floats:
    """Return [len(grades), items, answers], NaN behind each item's last answer."""
    _, row, sizes = np.unique(items, return_inverse=True, return_counts=True)
    order = np.argsort(row, kind="stable")
    column = np.empty(len(row), dtype=np.int64)
    column[order] = np.arange(len(row)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    tables = np.full((len(grades), len(sizes), sizes.max(initial=0)), np.nan)
    tables[:, row, column] = grades
    return tables


def _count_shuffles(correlation: RowCorrelation, rows: Floats, permutations: int) -> int:
    """Return how many shuffles within items are drawn: fewer for tau-b of long rows."""
    if correlation is not row_kendall or rows.shape[1] <= LONG_ROW:
        return permutations
    return min(permutations, max(_MIN_WITHIN, _LONG_ROWS // len(rows)))


def _sum_by_answer(values: Floats, row: Ints, column: Ints, shape: tuple[int, int]) -> Any:
    """Return [items, systems] sums of `values`; sparse where most of a large table is empty."""
    if shape[0] * shape[1] > _DENSE_ANSWERS:
        from scipy.sparse import csr_array

        return csr_array((values, (row, column)), shape=shape)
    table = np.zeros(shape)
    np.add.at(table, (row, column), values)
    return table


def _means(weights: Floats, sums: Any, answers: Any) -> Floats:
    """Return [m, systems] mean grades; NaN for a system without any."""
    counts = weights @ answers
    return divide_where(weights @ sums, counts, counts > 0)


def _statistic(correlation: RowCorrelation, x: Any, y: Any, answers: Any) -> Statistic:
    step = max(1, _NUMBERS_AT_ONCE // x.shape[1])

    def statistic(weights: Floats) -> Floats:
        parts = (weights[start : start + step] for start in range(0, len(weights), step))
        return np.concatenate(
            [correlation(_means(w, x, answers), _means(w, y, answers)) for w in parts]
        )

    return statistic


def _mean_of(values: Floats) -> Statistic:
    def statistic(counts: Floats) -> Floats:
        means: Floats = counts @ values / counts.sum(axis=1)
        return means

    return statistic


def _shuffle_systems(
    correlation: RowCorrelation, x: Floats, y: Floats, permutations: int, seed: int
) -> float:
    """Return the p value of the correlation of two raters' means [systems]."""

    def correlate(others: NDArray[Any]) -> Floats:
        return correlation(np.tile(x, (len(others), 1)), others)

    observed = float(correlate(y[None])[0])
    if factorial(len(x)) <= factorial(_EXACT):
        values = np.abs(correlate(y[np.array(list(orders(range(len(y)))))]))
        return float((values >= abs(observed) - 1e-9).mean())
    if correlation is row_kendall and len(x) > LONG_ROW:
        permutations = min(permutations, _LONG_SHUFFLES)
    rng = seeds.generator("system-permutation", seed, len(x))
    null = np.concatenate([correlate(part) for part in shuffle_rows(rng, y, permutations)])
    return two_sided_p_value(null, observed)


def _shuffle_within(rng: np.random.Generator, table: Floats, size: int) -> Iterator[Floats]:
    """Yield `size` shuffles within each row of a table as `_by_item` returns it."""
    absent = np.isnan(table)
    for _ in range(size):
        keys = np.where(absent, 2.0, rng.random(table.shape))  # the absent stay behind
        yield np.take_along_axis(table, np.argsort(keys, axis=1), axis=1)
