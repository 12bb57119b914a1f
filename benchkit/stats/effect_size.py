"""Effect sizes of paired differences: how large, where a p value only says whether."""

import numpy as np
from numpy.typing import ArrayLike


def cohen_dz(differences: ArrayLike) -> float:
    """Return the mean of differences [n] over their standard deviation (Cohen 1988, d_z).

    0 where all are zero; NaN for fewer than two, or where all are the same and not zero.

    >>> cohen_dz([1.0, 2.0, 3.0])
    2.0
    """
    d = np.asarray(differences, dtype=np.float64)
    if len(d) < 2:
        return float("nan")
    if not d.any():
        return 0.0
    sd = float(d.std(ddof=1))
    # Differences of equal values differ by rounding alone.
    return float(d.mean() / sd) if sd > 1e-12 * float(np.abs(d).max()) else float("nan")


def rank_biserial(differences: ArrayLike) -> float:
    """Return the matched-pairs rank-biserial correlation of differences [n] (Kerby 2014).

    (W+ - W-) / (W+ + W-), W+ and W- Wilcoxon's sums of the ranks of positive and negative
    differences; zeros are left out, and 0 is returned if there is nothing else. In [-1, 1].

    >>> rank_biserial([1.0, 2.0, -3.0, 0.0])
    0.0
    """
    from scipy.stats import rankdata

    d = np.round(np.asarray(differences, dtype=np.float64), 12)
    d = d[d != 0]
    if not len(d):
        return 0.0
    ranks = rankdata(np.abs(d))
    return float((ranks * np.sign(d)).sum() / ranks.sum())
