"""How often a method is ahead of another, user by user; a tie counts half."""

import numpy as np

from benchkit.stats.arrays import Floats

_NEAR = 1e-12  # values that differ by less are equal, but for rounding


def win_rates(values: Floats) -> Floats:
    """Return [k, k] shares of the users at whom the method of the row beats that of the column.

    values: [k, users] higher is better.

    >>> win_rates(np.array([[1.0, 0.5, 0.0], [0.0, 0.5, 0.0]])).round(3).tolist()
    [[0.5, 0.667], [0.333, 0.5]]
    """
    rates = np.full((len(values), len(values)), 0.5)
    for row, of_row in enumerate(values[:-1]):
        gap = of_row - values[row + 1 :]
        ahead, behind = (gap > _NEAR).mean(axis=1), (gap < -_NEAR).mean(axis=1)
        rates[row, row + 1 :] += (ahead - behind) / 2
        rates[row + 1 :, row] -= (ahead - behind) / 2
    return rates
