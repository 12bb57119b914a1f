"""Ranks that are honest about ties.

When `better` candidates score above the target and `tied` share its score (the target included),
every order among the tied is as likely as any other, so the target's rank is uniform on
`better + 1 .. better + tied`. A metric's value is its expectation over these ranks. Thirty equal
scores give HR@1 = 1/30, wherever the target stands in the list.

Sampled answers become a list of the distinct valid items, the most frequent first and of equally
frequent ones the first drawn. It is never filled up: a target that is not in it has no rank.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True)
class Ranks:
    """Where the targets of n cases stand.

    n_better: [n] candidates that score above the target. tied: [n] candidates with the target's
    score, itself included; 0 where the target is not listed. of: [n] candidates ranked.
    answered: [n] False where there is no ranking; such a case counts as a miss in every metric.
    """

    n_better: NDArray[np.int64]
    n_tied: NDArray[np.int64]
    n_candidates: NDArray[np.int64]
    answered: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.n_better)

    def expected_gain(
        self, gains: NDArray[np.float64], unlisted: float = 0.0
    ) -> NDArray[np.float64]:
        """[n] mean of `gains[rank - 1]` over the ranks that the target can have.

        gains: [m] gain of ranks 1..m; ranks beyond m gain nothing. unlisted: gain of a target
        that is not listed.
        """
        cumulative = np.concatenate([[0.0], np.cumsum(gains)])
        low = np.minimum(self.n_better, len(gains))
        high = np.minimum(self.n_better + self.n_tied, len(gains))
        value = (cumulative[high] - cumulative[low]) / np.maximum(self.n_tied, 1)
        value = np.where(self.n_tied == 0, unlisted, value)
        return np.where(self.answered, value, 0.0)


def ranks_from_scores(
    scores: ArrayLike, target: ArrayLike, answered: ArrayLike | None = None
) -> Ranks:
    """Ranks of the targets.

    scores: [n, c]; higher is better; rows that are not answered may hold anything.
    target: [n] column of the target. answered: [n], all True when absent.

    >>> ranks = from_scores([[0.1, 0.9, 0.9]], [1])
    >>> ranks.better.tolist(), ranks.tied.tolist()
    ([0], [2])
    """
    table = np.asarray(scores, dtype=np.float64)
    column = np.asarray(target, dtype=np.int64)
    own = np.take_along_axis(table, column[:, None], axis=1)
    n = len(table)
    return Ranks(
        n_better=np.count_nonzero(table > own, axis=1).astype(np.int64),
        n_tied=np.count_nonzero(table == own, axis=1).astype(np.int64),
        n_candidates=np.full(n, table.shape[1], dtype=np.int64),
        answered=np.ones(n, np.bool_) if answered is None else np.asarray(answered, np.bool_),
    )


def rank_by_frequency(drawn: Sequence[str | None]) -> list[str]:
    """The list that samples make; None stands for an invalid one.

    >>> ordered(["A", "B", "A", None, "C"])
    ['A', 'B', 'C']
    """
    # Of equal counts, most_common keeps the order in which they were first met.
    return [item for item, _ in Counter(x for x in drawn if x is not None).most_common()]


def ranks_from_lists(
    lists: Sequence[Sequence[str]], targets: Sequence[str], of: NDArray[np.int64]
) -> Ranks:
    """Ranks of the targets in lists without repeats; an empty list is no answer.

    lists: [n] of any lengths. of: [n] number of candidates.

    >>> ranks = from_lists([["A", "B", "C"], ["A"]], ["B", "B"], np.array([30, 30]))
    >>> ranks.better.tolist(), ranks.tied.tolist()
    ([1, 1], [1, 0])
    """
    listed = [target in items for items, target in zip(lists, targets, strict=True)]
    place = [
        items.index(target) if found else len(items)
        for items, target, found in zip(lists, targets, listed, strict=True)
    ]
    return Ranks(
        n_better=np.array(place, dtype=np.int64),
        n_tied=np.array(listed, dtype=np.int64),
        n_candidates=np.asarray(of, dtype=np.int64),
        answered=np.array([len(items) > 0 for items in lists], dtype=np.bool_),
    )


def concatenate_ranks(parts: list[Ranks]) -> Ranks:
    """Ranks of consecutive slices of cases as one."""
    better, tied, of, answered = (
        np.concatenate([getattr(part, name) for part in parts])
        for name in ("n_better", "n_tied", "n_candidates", "answered")
    )
    return Ranks(better, tied, of, answered)
