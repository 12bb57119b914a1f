"""Iterative k-core of the user-item graph, by peeling on integer codes."""

import numpy as np
from numpy.typing import NDArray

from benchkit.data.preparation.id_encoding import count_codes


def k_core(
    user: NDArray[np.integer], item: NDArray[np.integer], k: int
) -> tuple[NDArray[np.bool_], int]:
    """Mark the largest set of rows in which each user and item has `k`; return it and the rounds.

    A round removes the users below `k`, then the items below `k`; it stops when nothing changes.

    >>> keep, rounds = k_core(np.array([0, 0, 1, 1, 2]), np.array([0, 1, 0, 1, 1]), 2)
    >>> keep.tolist(), rounds
    ([True, True, True, True, False], 1)
    """
    keep = np.ones(len(user), dtype=np.bool_)
    rows: NDArray[np.int64] | None = None  # those left, which are all at first
    sides = [np.asarray(user), np.asarray(item)]
    rounds = 0
    while k > 1 and len(sides[0]):
        before = len(sides[0])
        for side in (0, 1):
            codes = sides[side]
            if not len(codes):
                break
            stays = (count_codes(codes, int(codes.max()) + 1) >= k)[codes]
            if not stays.all():
                keep[~stays if rows is None else rows[~stays]] = False
                rows = np.flatnonzero(stays) if rows is None else rows[stays]
                sides = [part[stays] for part in sides]
        if len(sides[0]) == before:
            break
        rounds += 1
    return keep, rounds
