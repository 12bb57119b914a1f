"""Which interactions train, and which are asked for.

Every split takes rows sorted by user, then by time. The history of a case with target row r of
user u is the rows `offsets[u]:stop`, with `stop` = r unless a split says otherwise.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from benchkit.errors import DataError

TRAIN, VALID, TEST = 0, 1, 2
SplitName = Literal["leave-one-out", "temporal", "rating-aware", "adherence", "avoidance"]

MIN_LIKED_RATING, MAX_DISLIKED_RATING = 4.0, 2.0  # ratings of 1-5 (RecPO, appendix D)
_HELD_OUT_TAIL = 5  # interactions after the question, in which `adherence` looks for liked items


@dataclass(frozen=True)
class CaseRows:
    """Cases of one part, as rows: [n] target, [n] stop (the history ends before it), and
    [n, g] further items that stand among the candidates (row numbers; g is 0 for most splits)."""

    target: NDArray[np.int64]
    stop: NDArray[np.int64]
    beside: NDArray[np.int64]

    @classmethod
    def at(cls, target: NDArray[np.int64]) -> "CaseRows":
        """Cases that are asked right before their target."""
        return cls(target, target, np.empty((len(target), 0), dtype=np.int64))

    def where(self, keep: NDArray[np.bool_]) -> "CaseRows":
        """The cases for which `keep` [n] holds."""
        return CaseRows(self.target[keep], self.stop[keep], self.beside[keep])


@dataclass(frozen=True)
class Split:
    """part: [n_rows] TRAIN, VALID or TEST. Only TRAIN rows are ever learnt from."""

    part: NDArray[np.uint8]
    valid: CaseRows
    test: CaseRows
    funnel: dict[str, int]


def make_split(
    name: SplitName,
    offsets: NDArray[np.int64],
    rating: NDArray[np.float32] | None = None,
    time: NDArray[np.int64] | None = None,
) -> Split:
    """The split called `name`. Raises DataError when the data lacks what it needs."""
    if name == "leave-one-out":
        return leave_one_out_split(offsets)
    if name == "temporal":
        if time is None:
            raise DataError("split 'temporal' needs timestamps", "add a column timestamp")
        return temporal_split(offsets, time)
    if rating is None:
        raise DataError(f"split {name!r} needs ratings", "add a column rating")
    return {
        "rating-aware": rating_aware_split,
        "adherence": adherence_split,
        "avoidance": avoidance_split,
    }[name](offsets, rating)


def leave_one_out_split(offsets: NDArray[np.int64]) -> Split:
    """The last interaction of a user is the test, the one before it the validation.

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
    }
    return Split(part, CaseRows.at(valid), CaseRows.at(test), funnel)


def temporal_split(offsets: NDArray[np.int64], time: NDArray[np.int64]) -> Split:
    """8:1:1 over all interactions in the order of time (EAPO, section 4.1).

    Every interaction of the last tenth is a test case, and every one of the tenth before it a
    validation case, if its user did something before. Equal times stay on one side of a cut.
    """
    ordered = np.sort(time)
    n = len(time)
    first, second = ordered[min(n - 1, n * 8 // 10)], ordered[min(n - 1, n * 9 // 10)]
    part = np.where(time < first, TRAIN, np.where(time < second, VALID, TEST)).astype(np.uint8)
    has_history = np.ones(n, dtype=np.bool_)
    has_history[offsets[:-1]] = False
    asked = [np.flatnonzero((part == name) & has_history) for name in (VALID, TEST)]
    funnel = {"held_out_without_history": int(((part != TRAIN) & ~has_history).sum())}
    return Split(part, CaseRows.at(asked[0]), CaseRows.at(asked[1]), funnel)


def rating_aware_split(offsets: NDArray[np.int64], rating: NDArray[np.float32]) -> Split:
    """Leave-one-out that asks for liked items only, rated 4 or 5 (RecPO, appendix D.1).

    Low ratings stay in the histories. A user whose held-out item is not liked is not asked.
    """
    whole = leave_one_out_split(offsets)
    valid, test = (
        asked.where(rating[asked.target] >= MIN_LIKED_RATING) for asked in (whole.valid, whole.test)
    )
    funnel = {"users_whose_last_item_is_not_liked": len(whole.test.target) - len(test.target)}
    return Split(whole.part, valid, test, whole.funnel | funnel)


def adherence_split(offsets: NDArray[np.int64], rating: NDArray[np.float32]) -> Split:
    """Does a method prefer what the user likes next to what the user likes later?

    (RecPO, appendix D.4.) The last five interactions are held out. The target is the first liked
    one among them, and the next liked one stands beside it among the candidates; users with fewer
    than two are not asked. The interaction before the held-out ones is the validation.
    """
    count = np.diff(offsets)
    part = np.full(int(offsets[-1]), TRAIN, dtype=np.uint8)
    targets, stops, beside = [], [], []
    long = np.flatnonzero(count >= _HELD_OUT_TAIL + 2)
    for user in long:
        stop = offsets[user + 1] - _HELD_OUT_TAIL
        part[stop : offsets[user + 1]] = TEST
        liked = stop + np.flatnonzero(rating[stop : offsets[user + 1]] >= MIN_LIKED_RATING)
        if len(liked) >= 2:
            targets.append(liked[0])
            stops.append(stop)
            beside.append(liked[1:2])
    valid = offsets[long + 1] - _HELD_OUT_TAIL - 1
    part[valid] = VALID
    shape = np.array(beside, dtype=np.int64).reshape(len(targets), 1)
    test = CaseRows(np.array(targets, dtype=np.int64), np.array(stops, dtype=np.int64), shape)
    funnel = {
        "users_too_short_to_ask": int((count < _HELD_OUT_TAIL + 2).sum()),
        "users_with_fewer_than_2_liked": len(long) - len(targets),
    }
    return Split(part, CaseRows.at(valid), test, funnel)


def avoidance_split(offsets: NDArray[np.int64], rating: NDArray[np.float32]) -> Split:
    """Does a method keep away from what the user is going to dislike? (RecPO, appendix D.4.)

    The "target" is the last interaction of users who rated it 1 or 2; what counts is that it is
    not ranked first (metric `avoidance`). Validation is that of `rating_aware`.
    """
    whole, liked = leave_one_out_split(offsets), rating_aware_split(offsets, rating)
    test = whole.test.where(rating[whole.test.target] <= MAX_DISLIKED_RATING)
    funnel = {"users_whose_last_item_is_not_disliked": len(whole.test.target) - len(test.target)}
    return Split(whole.part, liked.valid, test, whole.funnel | funnel)
