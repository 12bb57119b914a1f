"""Leave-one-out: the last interaction of each user is the test."""

import numpy as np

from benchkit.data.splits.base import TEST, TRAIN, VALID, CaseRows, Split, Splitter
from benchkit.types import Interactions


class LeaveOneOutSplitter(Splitter):
    """The last interaction of a user is the test, the one before it the validation.

    With three or more interactions: test, validation, and the rest to train. With two: the last
    is the test and the first trains, so there is no validation case. With one: it trains, because
    a test case would have no history. The funnel counts both kinds of short users.

    Example:
        >>> user = np.array([0, 0, 0, 1, 1, 2], dtype=np.int32)
        >>> data = Interactions(user, user, offsets=np.array([0, 3, 5, 6]))
        >>> LeaveOneOutSplitter().split(data).part.tolist()
        [0, 1, 2, 0, 2, 0]
    """

    def split(self, data: Interactions) -> Split:
        """Split interactions, which are sorted by user, then by time."""
        counts = np.diff(data.offsets)
        ends = data.offsets[1:]
        test = ends[counts >= 2] - 1
        valid = ends[counts >= 3] - 2
        part = np.full(int(data.offsets[-1]), TRAIN, dtype=np.uint8)
        part[test] = TEST
        part[valid] = VALID
        funnel = {
            "users_with_1_interaction": int((counts == 1).sum()),
            "users_with_2_interactions": int((counts == 2).sum()),
        }
        return Split(part, CaseRows.before_targets(valid), CaseRows.before_targets(test), funnel)
