"""Leave-one-out: the last interaction of a user is the test, the one before it the validation."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

TRAIN, VALID, TEST = 0, 1, 2


@dataclass(frozen=True)
class Split:
    """Which rows train, and which rows are asked for.

    part: [n_rows] TRAIN, VALID or TEST. valid, test: rows that are targets; the history of
    target row r of user u is the rows `offsets[u]:r`.
    """

    part: NDArray[np.uint8]
    valid: NDArray[np.int64]
    test: NDArray[np.int64]
    funnel: dict[str, int]


def leave_one_out(offsets: NDArray[np.int64]) -> Split:
    """Split rows that are sorted by user, then by time.

    With three or more interactions: test, validation, and the rest to train. With two: the last
    is the test and the first trains, so there is no validation case. With one: it trains, for
    there is no history to ask from. The funnel counts each kind.

    >>> leave_one_out(np.array([0, 3, 5, 6])).part.tolist()
    [0, 1, 2, 0, 2, 0]
    """
    count = np.diff(offsets)
    ends = offsets[1:]
    test = ends[count >= 2] - 1
    valid = ends[count >= 3] - 2
    part = np.full(int(offsets[-1]), TRAIN, dtype=np.uint8)
    part[test] = TEST
    part[valid] = VALID
    funnel = {
        "users_with_1_interaction": int((count == 1).sum()),
        "users_with_2_interactions": int((count == 2).sum()),
        "validation_cases": len(valid),
        "test_cases": len(test),
    }
    return Split(part, valid, test, funnel)
