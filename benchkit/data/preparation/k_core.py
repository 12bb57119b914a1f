"""Iterative k-core of the user-item graph, by peeling on integer codes."""

import numpy as np
from numpy.typing import NDArray


def k_core(
    user: NDArray[np.integer], item: NDArray[np.integer], k: int
) -> tuple[NDArray[np.bool_], int]:
    """Mark the largest set of rows in which each user and item has `k`; return it and the rounds.

    A round removes the users below `k`, then the items below `k`; it stops when nothing changes.

    >>> keep, rounds = k_core(np.array([0, 0, 1, 1, 2]), np.array([0, 1, 0, 1, 1]), 2)
    >>> keep.tolist(), rounds
    ([True, True, True, True, False], 1)
    """
    rows = np.arange(len(user))
    rounds = 0
    while k > 1 and len(rows):
        before = len(rows)
        for codes in (user, item):
            left = codes[rows]
            rows = rows[(np.bincount(left) >= k)[left]]
            if not len(rows):
                break
        if len(rows) == before:
            break
        rounds += 1
    keep = np.zeros(len(user), dtype=np.bool_)
    keep[rows] = True
    return keep, rounds
