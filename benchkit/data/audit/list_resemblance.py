"""Is it the target that makes lists alike, or a retriever that made them from the histories?

Users with the same target have similar histories, so lists that were retrieved from a history (by
BM25, by a filter's top k) resemble each other where the target is the same, although the retriever
never saw it. What a target explains must go beyond lists that are as alike for other reasons.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from benchkit import seeds
from benchkit.data.audit.cases import CandidateLists, CaseHistories
from benchkit.data.request_batch import PADDING_ITEM

_MAX_PAIRS = 1000  # pairs that are compared with all lists, evenly spread over the pairs
_BLOCK = 128  # of these at once: bounds memory


class ListOverlap(NamedTuple):
    """Negatives that two lists share, on average."""

    same_target: float
    """Lists with the same target."""
    similar: float
    """The first list of such a pair and the list of another target that is most like it."""
    length: float
    """Negatives of a list."""

    @property
    def is_explained_by_target(self) -> bool:
        """Whether the same target makes lists twice as alike as anything else does.

        That is twice the shared negatives or, where similar targets have similar lists, half of
        those that are not shared.
        """
        unshared = self.length - self.same_target
        return self.same_target > 2 * self.similar or 2 * unshared < self.length - self.similar


def compare_with_similar_lists(
    lists: CandidateLists,
    history: CaseHistories | None,
    n_items: int,
    first: NDArray[np.int64],
    second: NDArray[np.int64],
) -> ListOverlap:
    """Return what pairs with the same target share, beside what similar cases share.

    All items are divided at random into two halves. For the first case of a pair the case with
    another target is sought that is most like it in one half of the negatives and in its history
    (their cosine, plus that of the histories, in which rare items weigh more); what
    the two share is counted in the other half alone. So the search does not count what it
    selected: lists that are drawn independently of each other stay at the level of any two lists,
    and lists of a retriever are compared with what the retriever gives for such a history.

    Args:
        lists: n cases.
        history: Of the n cases, where they are known.
        n_items: Number of items.
        first: [m] rows of the first cases of pairs with the same target.
        second: [m] rows of the second cases.
    """
    chosen = _spread_evenly(len(first))
    first, second = first[chosen], second[chosen]
    negatives = _incidence(lists, n_items)
    histories = None if history is None else _weigh_rare_items(history, n_items)
    in_half = seeds.generator("audit halves").random(n_items) < 0.5
    halves = [negatives[:, half] for half in (np.flatnonzero(in_half), np.flatnonzero(~in_half))]
    same_target = similar = 0.0
    for search, count in (halves, halves[::-1]):
        same_target += _count_shared(count, first, second)
        similar += _count_shared(count, first, _find_similar(lists, search, histories, first))
    length = float(np.diff(negatives.indptr)[first].mean())
    return ListOverlap(same_target / len(first), similar / len(first), length)


def pair_similar_lists(
    lists: CandidateLists, history: CaseHistories | None, n_items: int, first: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return pairs of a case and the most similar one with another target.

    The search looks at all negatives and the history, but not at the order of a list.

    Args:
        lists: n cases.
        history: Of the n cases, where they are known.
        n_items: Number of items.
        first: Rows of cases; where there are many, pairs are of some of them.
    """
    rows = first[_spread_evenly(len(first))]
    if (lists.target == lists.target[0]).all():  # there is no other target
        rows = rows[:0]
        return rows, rows
    histories = None if history is None else _weigh_rare_items(history, n_items)
    return rows, _find_similar(lists, _incidence(lists, n_items), histories, rows)


def _spread_evenly(n: int) -> NDArray[np.int64]:
    """Return at most `_MAX_PAIRS` of n places."""
    return np.unique(np.linspace(0, n - 1, min(_MAX_PAIRS, n)).astype(np.int64))


def _find_similar(
    lists: CandidateLists,
    search: sparse.csr_array,
    histories: sparse.csr_array | None,
    rows: NDArray[np.int64],
) -> NDArray[np.int64]:
    """Return [len(rows)] the case of another target that is most like each."""
    blocks = []
    for start in range(0, len(rows), _BLOCK):
        block = rows[start : start + _BLOCK]
        likeness = _likeness(search, histories, block)
        likeness[lists.target[block][:, None] == lists.target[None, :]] = -np.inf
        blocks.append(likeness.argmax(axis=1))
    return np.concatenate(blocks).astype(np.int64)


def _incidence(lists: CandidateLists, n_items: int) -> sparse.csr_array:
    """Return [n, n_items] 1 where an item is a negative of a case."""
    row, column = np.nonzero(~lists.is_target & (lists.candidates != PADDING_ITEM))
    ones = np.ones(len(row))
    table = sparse.csr_array(
        (ones, (row, lists.candidates[row, column])), shape=(len(lists), n_items)
    )
    table.data[:] = 1.0  # an item that stands twice
    return table


def _weigh_rare_items(history: CaseHistories, n_items: int) -> sparse.csr_array:
    """Return [n, n_items] the histories as vectors of length 1; rare items weigh more."""
    n = len(history.offsets) - 1
    table = sparse.csr_array(
        (np.ones(len(history.items)), (history.case, history.items)), (n, n_items)
    )
    table.data[:] = 1.0
    frequency = np.bincount(table.indices, minlength=n_items)
    table.data = np.log(1 + n / np.maximum(frequency, 1))[table.indices]
    norm = np.sqrt(np.asarray(table.multiply(table).sum(axis=1)).reshape(-1))
    table.data /= np.repeat(norm, np.diff(table.indptr))
    return table


def _likeness(
    search: sparse.csr_array, histories: sparse.csr_array | None, rows: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return [len(rows), n] how alike cases are."""
    # Cosines: the plain number would favour lists that have most of their items in this half, and
    # so few in the other.
    sizes = np.sqrt(np.maximum(np.diff(search.indptr), 1))
    likeness = (search[rows] @ search.T).toarray() / (sizes[rows][:, None] * sizes[None, :])
    if histories is not None:
        likeness += (histories[rows] @ histories.T).toarray()
    return np.asarray(likeness, dtype=np.float64)


def _count_shared(
    table: sparse.csr_array, first: NDArray[np.int64], second: NDArray[np.int64]
) -> float:
    return float(table[first].multiply(table[second]).sum())
