"""Adjusted p values for testing many hypotheses at once; NaN stay NaN and do not count."""

import numpy as np
from numpy.typing import ArrayLike

from benchkit.stats.arrays import Floats


def holm(p_values: ArrayLike) -> Floats:
    """Return Holm's (1979) step-down adjusted p values, in the order given.

    Not statsmodels' `multipletests`, which takes 25 ms a call and loads pandas.

    >>> holm([0.01, 0.04, 0.03]).round(4).tolist()
    [0.03, 0.06, 0.06]
    """
    p = np.asarray(p_values, dtype=np.float64)
    adjusted = np.full(len(p), np.nan)
    tested = np.flatnonzero(~np.isnan(p))
    order = tested[np.argsort(p[tested], kind="stable")]
    scaled = p[order] * np.arange(len(order), 0, -1)
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(scaled))
    return adjusted


def benjamini_hochberg(p_values: ArrayLike) -> Floats:
    """Return Benjamini and Hochberg's (1995) step-up adjusted p values, in the order given.

    They bound the expected share of false findings, whereas Holm's bound the chance of any.

    >>> benjamini_hochberg([0.01, 0.04, 0.03]).round(4).tolist()
    [0.03, 0.04, 0.04]
    """
    from scipy.stats import false_discovery_control

    p = np.array(p_values, dtype=np.float64)
    tested = ~np.isnan(p)
    p[tested] = false_discovery_control(p[tested])
    return p
