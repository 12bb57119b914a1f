"""Intraclass correlation of raters who all graded the same items (Shrout and Fleiss 1979)."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from benchkit.stats.agreement.contingency import AgreementEstimate, divide_where, encode_clusters
from benchkit.stats.arrays import Bools, Floats, Statistic
from benchkit.stats.bootstrap import RESAMPLES, bca_intervals


class ICC(NamedTuple):
    """Intraclass correlations of k raters."""

    single: AgreementEstimate
    """ICC(2,1), of one rater."""
    average: AgreementEstimate
    """ICC(2,k), of the mean of all raters."""
    n: int
    """Items graded by all raters."""
    incomplete: int
    """Items that lack a grade, and are left out."""


def intraclass_correlation(
    grades: ArrayLike,
    clusters: ArrayLike | None = None,
    *,
    level: float = 0.95,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> ICC:
    """Return ICC(2,1) and ICC(2,k) of `grades` [n, raters]: two-way random effects, absolute.

    Interval: BCa bootstrap over items (over `clusters` [n], where items go together). p: F test of
    no variance between items, F(n - 1, (n - 1)(k - 1)) = MS items / MS residual, one-sided; the
    same for both.
    """
    from scipy.stats import f

    table = np.asarray(grades, dtype=np.float64)
    complete: Bools = np.asarray(~np.isnan(table).any(axis=1))
    incomplete = int((~complete).sum())
    table = table[complete]
    n, k = table.shape
    if n < 2 or k < 2:
        return _undefined("fewer than two items graded by all of two raters", n, incomplete)
    rows, cell, counts = np.unique(table, axis=0, return_inverse=True, return_counts=True)
    observed = counts[None, :].astype(np.float64)
    between, _, residual = (float(square[0]) for square in mean_squares(rows, observed))
    if not between > 0:
        return _undefined("all items have the same mean grade", n, incomplete)
    groups = encode_clusters(clusters, complete)
    statistics = {"single": _statistic(rows, 1), "average": _statistic(rows, k)}
    limits = bca_intervals(statistics, cell, groups, level=level, resamples=resamples, seed=seed)
    p = float(f.sf(between / residual, n - 1, (n - 1) * (k - 1))) if residual > 0 else 0.0
    single, average = (
        AgreementEstimate(float(s(observed)[0]), *limits[name][:2], p, limits[name].reason)
        for name, s in statistics.items()
    )
    return ICC(single, average, n, incomplete)


def _undefined(reason: str, n: int, incomplete: int) -> ICC:
    estimate = AgreementEstimate(float("nan"), reason=reason)
    return ICC(estimate, estimate, n, incomplete)


def mean_squares(rows: Floats, counts: Floats) -> tuple[Floats, Floats, Floats]:
    """Return mean squares between items, between raters, and residual, each [m].

    NaN where only one item is left.

    Args:
        rows: [cells, k] distinct grades of an item by the k raters.
        counts: [m, cells] how often each occurs.
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


def _statistic(rows: Floats, raters: int) -> Statistic:
    """Return ICC(2,`raters`) for `raters` = 1 or all."""
    k = rows.shape[1]

    def statistic(counts: Floats) -> Floats:
        n = counts.sum(axis=1)
        between, judges, residual = mean_squares(rows, counts)
        share = k / raters
        below = between + (share - 1) * residual + share * (judges - residual) / n
        return divide_where(between - residual, below, below > 1e-12)

    return statistic
