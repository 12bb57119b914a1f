"""Intraclass correlation of raters who all graded the same items (Shrout and Fleiss 1979)."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from benchkit.stats.agreement.contingency import AgreementEstimate, Floats, Statistic, divide_where
from benchkit.stats.bootstrap import RESAMPLES
from benchkit.stats.grade_bootstrap import bca_intervals


class ICC(NamedTuple):
    """ICC(2,1), of one rater, and ICC(2,k), of the mean of the k raters; items used, left out."""

    single: AgreementEstimate
    average: AgreementEstimate
    n: int
    incomplete: int


def intraclass_correlation(
    grades: ArrayLike,
    clusters: ArrayLike | None = None,
    *,
    level: float = 0.95,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> ICC:
    """ICC(2,1) and ICC(2,k) of `grades` [n, raters]: two-way random effects, absolute agreement.

    Items that lack a grade are left out and counted. Interval: BCa bootstrap over items (over
    `clusters` [n], where items go together). p: F test of no variance between items,
    F(n - 1, (n - 1)(k - 1)) = MS items / MS residual, one-sided; the same for both.
    """
    table = np.asarray(grades, dtype=np.float64)
    kept = ~np.isnan(table).any(axis=1)
    incomplete = int((~kept).sum())
    table = table[kept]
    n, k = table.shape
    if n < 2 or k < 2:
        nothing = AgreementEstimate(
            float("nan"), reason="fewer than two items graded by all of two raters"
        )
        return ICC(nothing, nothing, n, incomplete)
    rows, cell, counts = np.unique(table, axis=0, return_inverse=True, return_counts=True)
    once = counts[None, :].astype(np.float64)
    between, _, residual = (float(square[0]) for square in mean_squares(rows, once))
    if not between > 0:
        nothing = AgreementEstimate(float("nan"), reason="all items have the same mean grade")
        return ICC(nothing, nothing, n, incomplete)
    groups = None
    if clusters is not None:
        groups = np.unique(np.asarray(clusters)[kept], return_inverse=True)[1]
    statistics = {"single": _statistic(rows, 1), "average": _statistic(rows, k)}
    limits = bca_intervals(statistics, cell, groups, level=level, resamples=resamples, seed=seed)
    p = _p(between, residual, n, k)
    single, average = (
        AgreementEstimate(
            float(s(once)[0]), limits[name].low, limits[name].high, p, limits[name].reason
        )
        for name, s in statistics.items()
    )
    return ICC(single, average, n, incomplete)


def mean_squares(rows: Floats, counts: Floats) -> tuple[Floats, Floats, Floats]:
    """Mean squares between items, between raters, and residual, each [m].

    rows: [cells, k] distinct grades of an item by the k raters. counts: [m, cells] how often each.
    NaN where only one item is left.
    """
    k = rows.shape[1]
    rows = rows - rows.mean()
    n = counts.sum(axis=1)
    item = rows.mean(axis=1)
    grand = counts @ item / n
    raters = counts @ rows / n[:, None]
    between = np.maximum(0.0, k * (counts @ item**2 - n * grand**2))
    judges = n * ((raters - grand[:, None]) ** 2).sum(axis=1)
    total = counts @ (rows**2).sum(axis=1) - n * k * grand**2
    residual = np.maximum(0.0, total - between - judges)
    several = n > 1
    return (
        divide_where(between, n - 1, several),
        judges / (k - 1),
        divide_where(residual, (n - 1) * (k - 1), several),
    )


def _statistic(rows: Floats, of: int) -> Statistic:
    """ICC(2,`of`) for `of` = 1 or the number of raters."""
    k = rows.shape[1]

    def statistic(counts: Floats) -> Floats:
        n = counts.sum(axis=1)
        between, judges, residual = mean_squares(rows, counts)
        share = k / of
        below = between + (share - 1) * residual + share * (judges - residual) / n
        return divide_where(between - residual, below, below > 1e-12)

    return statistic


def _p(between: float, residual: float, n: int, k: int) -> float:
    from scipy.stats import f

    if residual <= 0:
        return 0.0
    return float(f.sf(between / residual, n - 1, (n - 1) * (k - 1)))
