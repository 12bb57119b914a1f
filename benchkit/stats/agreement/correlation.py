"""Pearson's r, Spearman's rho and Kendall's tau-b: of many tables of counts, and of many rows.

SciPy's functions take one pair of samples at a time; a bootstrap needs thousands at once.
"""

from collections.abc import Callable

import numpy as np

from benchkit.stats.agreement.contingency import (
    ContingencyTable,
    divide_where,
    marginal_counts,
    mid_ranks,
)
from benchkit.stats.arrays import Bools, Floats, Statistic

_BLOCK = 256  # cells of Kendall's sign matrix held at once
TINY = 1e-13  # what rounding leaves of a variance of zero, relative to the mean square
_TIED = 1e-13  # the same of pairs that are not tied, relative to all pairs
_PAIRS_AT_ONCE = 2_000_000  # pairs of values held at once
LONG_ROW = 64  # values of a row, above which tau-b goes through sorting instead of all pairs

RowCorrelation = Callable[[Floats, Floats], Floats]
"""[m, s], [m, s] -> [m], NaN left out."""


def moments_of_counts(
    x: Floats, y: Floats, counts: Floats
) -> tuple[Floats, Floats, Floats, Floats, Floats]:
    """Return the means of x and y, their variances and covariance (divisor n), each [m].

    A variance that is zero but for rounding is exactly zero.

    Args:
        x: [cells] values.
        y: [cells] values.
        counts: [m, cells] how often each cell occurs.
    """
    n = counts.sum(axis=1)
    sums = counts @ np.column_stack([x, y, x * x, y * y, x * y]) / n[:, None]
    mx, my, xx, yy, xy = sums.T
    vx, vy = xx - mx**2, yy - my**2
    vx = np.where(vx <= TINY * xx, 0.0, vx)
    vy = np.where(vy <= TINY * yy, 0.0, vy)
    return mx, my, vx, vy, xy - mx * my


def pearson(table: ContingencyTable) -> Statistic:
    """Return Pearson's product-moment correlation; undefined where a rater is constant."""
    x = table.x - np.average(table.x, weights=table.counts)
    y = table.y - np.average(table.y, weights=table.counts)

    def statistic(counts: Floats) -> Floats:
        _, _, vx, vy, cov = moments_of_counts(x, y, counts)
        return divide_where(cov, np.sqrt(vx * vy), vx * vy > 0)

    return statistic


def spearman(table: ContingencyTable) -> Statistic:
    """Return Spearman's rho, Pearson's r of mid-ranks; undefined where a rater is constant."""

    def statistic(counts: Floats) -> Floats:
        half = counts.sum(axis=1, keepdims=True) / 2
        rows, columns = _margins(table, counts)
        rx, ry = mid_ranks(rows) - half, mid_ranks(columns) - half
        cov = (counts * rx[:, table.row_codes] * ry[:, table.column_codes]).sum(axis=1)
        spread = (rows * rx**2).sum(axis=1) * (columns * ry**2).sum(axis=1)
        return divide_where(cov, np.sqrt(spread), _untied(rows) & _untied(columns))

    return statistic


def kendall(table: ContingencyTable) -> Statistic:
    """Return Kendall's (1945) tau-b; undefined where a rater is constant.

    The excess of concordant over discordant pairs is a quadratic form of the counts.
    """

    def statistic(counts: Floats) -> Floats:
        excess = np.zeros(len(counts))
        row, column = table.row_codes, table.column_codes
        for start in range(0, len(table.x), _BLOCK):
            part = slice(start, start + _BLOCK)
            signs = np.sign(row[:, None] - row[part]) * np.sign(column[:, None] - column[part])
            excess += ((counts @ signs.astype(np.float64)) * counts[:, part]).sum(axis=1)
        rows, columns = _margins(table, counts)
        defined = _untied(rows) & _untied(columns)
        pairs = _pairs(rows) * _pairs(columns)
        return divide_where(excess, np.sqrt(np.where(defined, pairs, 1.0)), defined)

    return statistic


def _margins(table: ContingencyTable, counts: Floats) -> tuple[Floats, Floats]:
    return marginal_counts(counts, table.row_codes), marginal_counts(counts, table.column_codes)


def _pairs(margins: Floats) -> Floats:
    """Return [m] ordered pairs of items with different grades, from margins [m, k]."""
    pairs: Floats = margins.sum(axis=1) ** 2 - (margins**2).sum(axis=1)
    return pairs


def _untied(margins: Floats) -> Bools:
    """Return [m] whether there are such pairs; weights may leave a rounding error of them."""
    untied: Bools = _pairs(margins) > _TIED * margins.sum(axis=1) ** 2
    return untied


def row_pearson(a: Floats, b: Floats) -> Floats:
    """Return [m] Pearson's r of each row; NaN where either side is constant or has one value."""
    x, y = (_centre(side) for side in _mask_unpaired(a, b))
    return _ratio((x * y).sum(axis=1), (x * x).sum(axis=1), (y * y).sum(axis=1))


def row_spearman(a: Floats, b: Floats) -> Floats:
    """Return [m] Spearman's rho of each row, ties with mid-ranks."""
    from scipy.stats import rankdata

    x, y = _mask_unpaired(a, b)
    if not x.size:
        return np.full(len(x), np.nan)
    ranks = [rankdata(_without_noise(side), axis=1, nan_policy="omit") for side in (x, y)]
    return row_pearson(*ranks)


def row_kendall(a: Floats, b: Floats) -> Floats:
    """Return [m] Kendall's tau-b of each row; memory is bounded for any number of values."""
    x, y = (_without_noise(side) for side in _mask_unpaired(a, b))
    if x.shape[1] > LONG_ROW:
        return np.array([_sorted_kendall(*row) for row in zip(x, y, strict=True)])
    n_pairs = x.shape[1] * (x.shape[1] - 1) // 2
    step = max(1, _PAIRS_AT_ONCE // max(1, n_pairs))
    blocks = range(0, max(1, len(x)), step)
    return np.concatenate([_pairwise_kendall(x[i : i + step], y[i : i + step]) for i in blocks])


def _sorted_kendall(x: Floats, y: Floats) -> float:
    """Return tau-b of one row [s] in s log s steps, NaN left out."""
    from scipy.stats import kendalltau

    both = ~np.isnan(x)
    if both.sum() < 2:
        return float("nan")
    return float(kendalltau(x[both], y[both], method="asymptotic").statistic)


def _pairwise_kendall(x: Floats, y: Floats) -> Floats:
    """Return [m] tau-b of rows [m, s] from all pairs of values."""
    first, second = np.triu_indices(x.shape[1], 1)
    # A pair with a missing value is NaN on both sides, and must count as no pair on either.
    sx = np.nan_to_num(np.sign(x[:, first] - x[:, second]))
    sy = np.nan_to_num(np.sign(y[:, first] - y[:, second]))
    return _ratio((sx * sy).sum(axis=1), (sx * sx).sum(axis=1), (sy * sy).sum(axis=1))


ROW_CORRELATIONS: dict[str, RowCorrelation] = {
    "spearman": row_spearman,
    "kendall": row_kendall,
    "pearson": row_pearson,
}


def _mask_unpaired(a: Floats, b: Floats) -> tuple[Floats, Floats]:
    missing = np.isnan(a) | np.isnan(b)
    return np.where(missing, np.nan, a), np.where(missing, np.nan, b)


def _without_noise(values: Floats) -> Floats:
    """Round the values: means of equal grades in another order differ in their last digits."""
    return np.round(values, 10)


def _centre(values: Floats) -> Floats:
    """Return deviations from each row's mean, 0 where missing and where only rounding is left."""
    n = np.maximum(1, (~np.isnan(values)).sum(axis=1, keepdims=True))
    gap = np.nan_to_num(values - np.nansum(values, axis=1, keepdims=True) / n)
    return np.where(np.abs(gap) < 1e-10, 0.0, gap)


def _ratio(cov: Floats, vx: Floats, vy: Floats) -> Floats:
    below = np.sqrt(vx * vy)
    return divide_where(cov, below, below > 0)
