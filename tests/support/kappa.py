"""Quadratically weighted kappa, straight from its definition."""

import numpy as np


def compute_kappa(a, b, k):
    """1 - sum of w * observed / sum of w * expected, cell by cell."""
    observed = np.zeros((k, k))
    for x, y in zip(a, b, strict=True):
        observed[int(x), int(y)] += 1
    expected = np.outer(observed.sum(axis=1), observed.sum(axis=0)) / len(a)
    weights = np.subtract.outer(np.arange(k), np.arange(k)) ** 2
    return 1 - (weights * observed).sum() / (weights * expected).sum()
