"""Pearson's r, Spearman's rho and Kendall's tau-b, for many tables of counts at once."""

import numpy as np
from numpy.typing import NDArray

from benchkit.stats.agreement.contingency import (
    ContingencyTable,
    Floats,
    Statistic,
    divide_where,
    marginal_counts,
    mid_ranks,
)

_BLOCK = 256  # cells of Kendall's sign matrix held at once
_TINY = 1e-13  # what rounding leaves of a variance of zero, relative to the mean square
_TIED = 1e-13  # the same of pairs that are not tied, relative to all pairs


def moments_of_counts(
    x: Floats, y: Floats, counts: Floats
) -> tuple[Floats, Floats, Floats, Floats, Floats]:
    """Means of x and y, their variances and covariance (divisor n), each [m].

    x, y: [cells], counts: [m, cells]. A variance that is zero but for rounding is exactly zero.
    """
    n = counts.sum(axis=1)
    sums = counts @ np.column_stack([x, y, x * x, y * y, x * y]) / n[:, None]
    mx, my, xx, yy, xy = sums.T
    vx, vy = xx - mx**2, yy - my**2
    vx = np.where(vx <= _TINY * xx, 0.0, vx)
    vy = np.where(vy <= _TINY * yy, 0.0, vy)
    return mx, my, vx, vy, xy - mx * my


def pearson(table: ContingencyTable) -> Statistic:
    """Pearson's product-moment correlation; undefined where a rater is constant."""
    x = table.x - np.average(table.x, weights=table.counts)
    y = table.y - np.average(table.y, weights=table.counts)

    def statistic(counts: Floats) -> Floats:
        _, _, vx, vy, cov = moments_of_counts(x, y, counts)
        return divide_where(cov, np.sqrt(vx * vy), vx * vy > 0)

    return statistic


def spearman(table: ContingencyTable) -> Statistic:
    """Spearman's rho: Pearson's correlation of mid-ranks; undefined where a rater is constant."""

    def statistic(counts: Floats) -> Floats:
        half = counts.sum(axis=1, keepdims=True) / 2
        rows, columns = (
            marginal_counts(counts, table.row_codes),
            marginal_counts(counts, table.column_codes),
        )
        rx, ry = mid_ranks(rows) - half, mid_ranks(columns) - half
        cov = (counts * rx[:, table.row_codes] * ry[:, table.column_codes]).sum(axis=1)
        spread = (rows * rx**2).sum(axis=1) * (columns * ry**2).sum(axis=1)
        return divide_where(cov, np.sqrt(spread), _untied(rows) & _untied(columns))

    return statistic


def kendall(table: ContingencyTable) -> Statistic:
    """Kendall's (1945) tau-b; undefined where a rater is constant.

    The excess of concordant over discordant pairs is a quadratic form of the counts.
    """

    def statistic(counts: Floats) -> Floats:
        excess = np.zeros(len(counts))
        for start in range(0, len(table.x), _BLOCK):
            part = slice(start, start + _BLOCK)
            signs = np.sign(table.row_codes[:, None] - table.row_codes[part]) * np.sign(
                table.column_codes[:, None] - table.column_codes[part]
            )
            excess += ((counts @ signs.astype(np.float64)) * counts[:, part]).sum(axis=1)
        rows, columns = (
            marginal_counts(counts, table.row_codes),
            marginal_counts(counts, table.column_codes),
        )
        defined = _untied(rows) & _untied(columns)
        pairs = _pairs(rows) * _pairs(columns)
        return divide_where(excess, np.sqrt(np.where(defined, pairs, 1.0)), defined)

    return statistic


def _pairs(margins: Floats) -> Floats:
    """[m] ordered pairs of items with different grades, of which margins [m, k] there are."""
    pairs: Floats = margins.sum(axis=1) ** 2 - (margins**2).sum(axis=1)
    return pairs


def _untied(margins: Floats) -> NDArray[np.bool_]:
    """[m] whether there are such pairs; weights may leave a rounding error of them."""
    untied: NDArray[np.bool_] = _pairs(margins) > _TIED * margins.sum(axis=1) ** 2
    return untied
