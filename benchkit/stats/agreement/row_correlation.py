"""Pearson's r, Spearman's rho and Kendall's tau-b of each row of two matrices; NaN are left out."""

from collections.abc import Callable

import numpy as np

from benchkit.stats.agreement.contingency import Floats, divide_where

RowCorrelation = Callable[[Floats, Floats], Floats]  # [m, s], [m, s] -> [m]


def row_pearson(a: Floats, b: Floats) -> Floats:
    """[m] Pearson's correlation of each row; NaN where either side is constant or has one value."""
    x, y = _centre(*_mask_unpaired(a, b))
    return _ratio((x * y).sum(axis=1), (x * x).sum(axis=1), (y * y).sum(axis=1))


def row_spearman(a: Floats, b: Floats) -> Floats:
    """[m] Spearman's correlation of each row, ties with mid-ranks."""
    from scipy.stats import rankdata

    x, y = _mask_unpaired(a, b)
    if not x.size:
        return np.full(len(x), np.nan)
    ranked = [rankdata(_without_noise(side), axis=1, nan_policy="omit") for side in (x, y)]
    return row_pearson(*ranked)


def row_kendall(a: Floats, b: Floats) -> Floats:
    """[m] Kendall's tau-b of each row."""
    x, y = (_without_noise(side) for side in _mask_unpaired(a, b))
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
    """Means of equal grades in another order differ in their last digits, and are ties."""
    return np.round(values, 10)


def _centre(a: Floats, b: Floats) -> tuple[Floats, Floats]:
    """Deviations from each row's mean, 0 where missing and where only rounding is left."""
    n = np.maximum(1, (~np.isnan(a)).sum(axis=1, keepdims=True))
    sides = []
    for side in (a, b):
        gap = np.nan_to_num(side - np.nansum(side, axis=1, keepdims=True) / n)
        sides.append(np.where(np.abs(gap) < 1e-10, 0.0, gap))
    return sides[0], sides[1]


def _ratio(cov: Floats, vx: Floats, vy: Floats) -> Floats:
    below = np.sqrt(vx * vy)
    return divide_where(cov, below, below > 0)
