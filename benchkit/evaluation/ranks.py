"""Ranks that are honest about ties.

When `better` candidates score above the target and `tied` share its score (the target included),
every order among the tied is as likely as any other, so the target's rank is uniform on
`better + 1 .. better + tied`. A metric's value is its expectation over these ranks. Thirty equal
scores give HR@1 = 1/30, wherever the target stands in the list.

A ranking that does not hold all candidates (a top-5 list) has scores of -inf for the others. These
were not retrieved: they share no places, and a target among them has no rank. Only a ranking that
holds all candidates places all of them.

Sampled answers become a list of the distinct valid items, the most frequent first and of equally
frequent ones the first drawn. It is never filled up: a target that is not in it has no rank.
"""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

_MANY_COLUMNS = 2_000  # beyond which a row is not sorted whole to find the highest


@dataclass(frozen=True)
class Ranks:
    """Where the targets of n cases are ranked."""

    n_better: NDArray[np.int64]
    """[n] Candidates that score above the target."""
    n_tied: NDArray[np.int64]
    """[n] Candidates with the target's score, itself included; 0 if the target is not listed."""
    n_candidates: NDArray[np.int64]
    """[n] Candidates ranked."""
    answered: NDArray[np.bool_]
    """[n] False where there is no ranking; such a case counts as a miss in every metric."""

    def __len__(self) -> int:
        return len(self.n_better)

    def mean_gain(self, gains: NDArray[np.float64], unlisted: float = 0.0) -> NDArray[np.float64]:
        """Return [n] the mean of `gains[rank - 1]` over the ranks that the target can have.

        Args:
            gains: [m] Gain of ranks 1..m; ranks beyond m gain nothing.
            unlisted: Gain of a target that is not listed.
        """
        cumulative = np.concatenate([[0.0], np.cumsum(gains)])
        low = np.minimum(self.n_better, len(gains))
        high = np.minimum(self.n_better + self.n_tied, len(gains))
        value = (cumulative[high] - cumulative[low]) / np.maximum(self.n_tied, 1)
        value = np.where(self.n_tied == 0, unlisted, value)
        return np.where(self.answered, value, 0.0)


def ranks_from_scores(
    scores: ArrayLike,
    target: ArrayLike,
    answered: ArrayLike | None = None,
    n_candidates: NDArray[np.int64] | None = None,
) -> Ranks:
    """Return the ranks of the targets.

    Args:
        scores: [n, c] Higher is better, -inf for what is not listed; rows that are not answered may
            hold anything.
        target: [n] Column of the target; -1 where it is not among the candidates.
        answered: [n] All True when absent.
        n_candidates: [n] Columns that are candidates, all when absent; the others score -inf.

    >>> ranks = ranks_from_scores([[0.1, 0.9, 0.9]], [1])
    >>> ranks.n_better.tolist(), ranks.n_tied.tolist()
    ([0], [2])

    A target that is not listed has no rank:

    >>> ranks_from_scores([[-np.inf, 0.9, -np.inf]], [0]).n_tied.tolist()
    [0]
    """
    table = np.asarray(scores, dtype=np.float64)
    column = np.asarray(target, dtype=np.int64)
    listed = column >= 0
    target_scores = np.take_along_axis(table, np.where(listed, column, 0)[:, None], axis=1)
    n = len(table)
    sizes = np.full(n, table.shape[1], dtype=np.int64) if n_candidates is None else n_candidates
    n_better = np.count_nonzero(table > target_scores, axis=1).astype(np.int64)
    n_tied = np.count_nonzero(table == target_scores, axis=1).astype(np.int64)
    ranked = listed & (target_scores[:, 0] > -np.inf)
    return Ranks(
        n_better=np.where(listed, n_better, sizes),
        n_tied=np.where(ranked, n_tied, 0),
        n_candidates=sizes,
        answered=np.ones(n, np.bool_) if answered is None else np.asarray(answered, np.bool_),
    )


def rank_by_frequency(samples: Sequence[str | None]) -> list[str]:
    """Return the list that samples make; None stands for an invalid one.

    >>> rank_by_frequency(["A", "B", "A", None, "C"])
    ['A', 'B', 'C']
    """
    # Of equal counts, most_common keeps the order in which they were first met.
    return [item for item, _ in Counter(x for x in samples if x is not None).most_common()]


def ranks_from_lists(
    lists: Sequence[Sequence[str]], targets: Sequence[str], n_candidates: NDArray[np.int64]
) -> Ranks:
    """Return the ranks of the targets in lists without repeats; an empty list is no answer.

    Args:
        lists: [n] Item ids, best first, of any lengths.
        targets: [n] Item ids.
        n_candidates: [n] Number of candidates.

    >>> ranks = ranks_from_lists([["A", "B", "C"], ["A"]], ["B", "B"], np.array([30, 30]))
    >>> ranks.n_better.tolist(), ranks.n_tied.tolist()
    ([1, 1], [1, 0])
    """
    n_better = []
    for items, target in zip(lists, targets, strict=True):
        n_better.append(items.index(target) if target in items else len(items))
    listed = [target in items for items, target in zip(lists, targets, strict=True)]
    return Ranks(
        n_better=np.array(n_better, dtype=np.int64),
        n_tied=np.array(listed, dtype=np.int64),
        n_candidates=np.asarray(n_candidates, dtype=np.int64),
        answered=np.array([len(items) > 0 for items in lists], dtype=np.bool_),
    )


def concatenate_ranks(parts: Sequence[Ranks]) -> Ranks:
    """Return the ranks of consecutive slices of cases as one."""
    return Ranks(
        *(
            np.concatenate([getattr(part, name) for part in parts])
            for name in ("n_better", "n_tied", "n_candidates", "answered")
        )
    )


def top_columns(
    scores: NDArray[np.float64],
    answered: NDArray[np.bool_],
    depth: int,
    labels: NDArray[np.integer] | None = None,
) -> NDArray[np.int32]:
    """Return [n, depth] the columns with the highest scores, ties in the order of the columns.

    Args:
        scores: [n, c] Higher is better; columns with -inf are not listed.
        answered: [n] The other rows are filled with -1.
        depth: How many to return; beyond what is listed they are -1.
        labels: [n, c] What to return instead of the column.

    >>> top_columns(np.array([[1.0, 3.0, 3.0]]), np.array([True]), 2).tolist()
    [[1, 2]]
    """
    top = np.full((len(scores), depth), -1, dtype=np.int32)
    if not depth or not answered.any():
        return top
    n_columns = scores.shape[1]
    if n_columns < _MANY_COLUMNS or depth > math.isqrt(n_columns):
        columns = np.argsort(-scores[answered], axis=1, kind="stable")[:, :depth]
    else:
        columns = np.stack([_top_of_row(row, depth) for row in scores[answered]])
    values = columns if labels is None else np.take_along_axis(labels[answered], columns, axis=1)
    listed = np.take_along_axis(scores[answered], columns, axis=1) > -np.inf
    top[answered, : columns.shape[1]] = np.where(listed, values, -1)
    return top


def _top_of_row(scores: NDArray[np.float64], depth: int) -> NDArray[np.int64]:
    """Return [depth] the columns of the highest of [c] scores, without sorting them all.

    The row is cut into about sqrt(c) blocks. As many blocks as are wanted have a maximum of at
    least the depth-th highest maximum, and so the depth-th highest score is no lower.
    """
    width = math.isqrt(len(scores))
    maxima = np.maximum.reduceat(scores, np.arange(0, len(scores), width))
    bound = np.partition(maxima, -depth)[-depth]
    above = np.flatnonzero(scores > bound)
    equal = np.flatnonzero(scores == bound)[:depth]
    columns = np.sort(np.concatenate([above, equal]))
    return columns[np.argsort(-scores[columns], kind="stable")[:depth]]
