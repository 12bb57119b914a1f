"""Where all relevant items of a case are ranked, for metrics of several relevant items."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchkit.data.dataset import Cases, find_columns
from benchkit.data.request_batch import PADDING_ITEM
from benchkit.evaluation.ranks import Ranks, concatenate_ranks, ranks_from_scores


@dataclass(frozen=True)
class RelevantRanks:
    """The ranks of m relevant items of n cases."""

    case: NDArray[np.int64]
    """[m] the case of each, ascending."""
    grade: NDArray[np.float64]
    """[m] how relevant it is; 1 where the data have no grades."""
    ranks: Ranks
    """[m] where it stands. An item that is no candidate is not listed."""
    is_candidate: NDArray[np.bool_]
    """[m] whether it can be listed at all."""
    n_cases: int

    def sum_cases(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return [n] the sum of [m] values over the relevant items of each case."""
        return np.bincount(self.case, weights=values, minlength=self.n_cases).astype(np.float64)

    @property
    def counts(self) -> NDArray[np.float64]:
        """[n] relevant items of each case, those that are no candidates included."""
        return self.sum_cases(np.ones(len(self.case)))


def relevant_ranks_from_scores(
    cases: Cases,
    scores: NDArray[np.float64],
    answered: NDArray[np.bool_],
    candidates: NDArray[np.int32] | None,
    n_candidates: NDArray[np.int64],
) -> RelevantRanks:
    """Return the ranks of the relevant items.

    Args:
        cases: n cases.
        scores: [n, c] Of the candidates, or of all items; -inf is not ranked.
        answered: [n] False where there is no ranking.
        candidates: [n, c] Item codes; None where the columns are the catalogue.
        n_candidates: [n] Items ranked.
    """
    case, items, grade = list_relevant(cases)
    columns = items if candidates is None else find_columns(candidates[case], items)
    ranks = ranks_from_scores(scores[case], columns, answered[case], n_candidates[case])
    return RelevantRanks(case, grade, ranks, columns >= 0, len(cases))


def relevant_ranks_from_lists(
    cases: Cases, lists: Sequence[Sequence[int]], n_candidates: NDArray[np.int64]
) -> RelevantRanks:
    """Return the ranks of the relevant items in n lists of item codes, best first."""
    case, items, grade = list_relevant(cases)
    places = [
        lists[row].index(item) if item in lists[row] else -1
        for row, item in zip(case.tolist(), items.tolist(), strict=True)
    ]
    place = np.array(places, dtype=np.int64)
    lengths = np.array([len(items) for items in lists], dtype=np.int64)[case]
    ranks = Ranks(
        n_better=np.where(place < 0, lengths, place),
        n_tied=(place >= 0).astype(np.int64),
        n_candidates=n_candidates[case],
        answered=lengths > 0,
    )
    is_candidate = find_columns(cases.candidates[case], items) >= 0
    return RelevantRanks(case, grade, ranks, is_candidate, len(cases))


def list_relevant(
    cases: Cases,
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Return the case, the item code and the grade of each relevant item."""
    relevant = cases.relevant
    case, column = np.nonzero(relevant != PADDING_ITEM)
    grades = np.ones(relevant.shape) if cases.grades is None else cases.grades
    return case, relevant[case, column].astype(np.int64), grades[case, column].astype(np.float64)


def concatenate_relevant_ranks(parts: Sequence[RelevantRanks]) -> RelevantRanks:
    """Return the ranks of consecutive slices of cases as one."""
    starts = np.cumsum([0, *(part.n_cases for part in parts)])
    return RelevantRanks(
        case=np.concatenate([p.case + s for p, s in zip(parts, starts[:-1], strict=True)]),
        grade=np.concatenate([part.grade for part in parts]),
        ranks=concatenate_ranks([part.ranks for part in parts]),
        is_candidate=np.concatenate([part.is_candidate for part in parts]),
        n_cases=int(starts[-1]),
    )
