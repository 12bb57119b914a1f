"""What the lists hold: duplicates, missing targets, items that the user has had before."""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from benchkit import seeds
from benchkit.data.audit.cases import AuditCases
from benchkit.data.audit.finding import AuditFinding, make_finding
from benchkit.data.request_batch import PADDING_ITEM


def check_candidate_lists(cases: AuditCases) -> Iterator[AuditFinding | None]:
    """Yield the findings on the content of the lists, None for each check that finds nothing."""
    lists, ids = cases.lists, cases.ids
    n_targets = lists.is_target.sum(axis=1)
    yield make_finding(
        "target-missing", "defect", ids, n_targets == 0,
        "The target is not in its list: no answer can be right, and HR@1 cannot reach 1.",
    )  # fmt: skip
    yield make_finding(
        "target-repeated", "defect", ids, n_targets > 1,
        "The target stands more than once in its list: a random answer hits it more often than"
        " chance is said to be, and the repetition gives it away.",
    )  # fmt: skip
    yield make_finding(
        "duplicate-candidates", "defect", ids, has_duplicate_item(lists.candidates),
        "An item stands twice in a list: there are fewer candidates than the protocol says.",
    )  # fmt: skip
    yield make_finding(
        "list-lengths-differ", "note", ids, lists.length != np.bincount(lists.length).argmax(),
        "Lists differ in length from the most frequent one: chance differs from case to case.",
        {"shortest": float(lists.length.min()), "longest": float(lists.length.max())},
    )  # fmt: skip
    yield make_finding(
        "repeated-cases", "note", ids, duplicate_case_mask(cases),
        "A case equals an earlier one in history, target and list: it counts twice in every mean.",
    )  # fmt: skip
    if cases.user is not None:  # external files may call cases by their user
        yield make_finding(
            "repeated-ids", "defect", ids, _repeats_earlier(ids),
            "A case has the id of an earlier one: answers cannot be told apart.",
        )  # fmt: skip
    if cases.history is not None:
        past = _sorted_codes(cases.history.case, cases.history.items, len(cases.names))
        row = np.arange(len(cases))[:, None]
        repeat = isin_sorted(past, row[:, 0] * len(cases.names) + lists.target)
        yield make_finding(
            "history-among-candidates", "defect", ids,
            _has_negative_in(cases, row, past) & ~repeat,
            "A negative stands in the user's history, and the target does not: leaving out what"
            " the user has had already raises the score.",
        )  # fmt: skip
        yield make_finding(
            "repeat-target", "note", ids, repeat,
            "The target stands in the user's history: methods that repeat items, or leave them"
            " out, are measured by this share.",
        )  # fmt: skip
    if cases.interaction_keys is not None and cases.user is not None:
        yield make_finding(
            "interacted-negatives", "note", ids,
            _has_negative_in(cases, cases.user[:, None], cases.interaction_keys),
            "A negative is an item that the user chooses at another time: ranking it first is"
            " counted as an error. Lists that leave out what is chosen later tell what it is not.",
        )  # fmt: skip


def _repeats_earlier(ids: Sequence[str]) -> NDArray[np.bool_]:
    """Return [n] whether an id stands before."""
    first = {case_id: row for row, case_id in reversed(list(enumerate(ids)))}
    return np.array([first[case_id] != row for row, case_id in enumerate(ids)], dtype=np.bool_)


def testable_mask(cases: AuditCases) -> NDArray[np.bool_]:
    """Mark the cases [n] that say something of a draw: one target, a negative, no repetition."""
    lists = cases.lists
    is_fair: NDArray[np.bool_] = (lists.is_target.sum(axis=1) == 1) & (lists.length > 1)
    return is_fair & ~duplicate_case_mask(cases)


def has_duplicate_item(codes: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return [n] whether a row [n, width] holds a code twice; negative codes do not count."""
    ordered = np.sort(codes, axis=1)
    twice = (ordered[:, 1:] == ordered[:, :-1]) & (ordered[:, 1:] >= 0)
    has_duplicate: NDArray[np.bool_] = twice.any(axis=1)
    return has_duplicate


def isin_sorted(haystack: NDArray[np.int64], needles: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return which of `needles` are in a sorted array."""
    if not len(haystack):
        return np.zeros(needles.shape, dtype=np.bool_)
    at = np.searchsorted(haystack, needles).clip(max=len(haystack) - 1)
    is_member: NDArray[np.bool_] = haystack[at] == needles
    return is_member


def duplicate_case_mask(cases: AuditCases) -> NDArray[np.bool_]:
    """Mark the cases [n] that equal an earlier one in history, target and list.

    Without histories nothing is called repeated: two users can share a target, and when they
    share the whole list, too, then it is drawn from the target, which is a leak to be found.
    """
    if cases.history is None:
        return np.zeros(len(cases), dtype=np.bool_)
    rng = seeds.generator("audit")
    of_item = rng.integers(0, 2**63, len(cases.names) + 1, dtype=np.uint64)
    lists, history = cases.lists, cases.history
    width = lists.candidates.shape[1]
    # Each term weighs an item by its place, so that a sum (modulo 2^64) tells sequences apart.
    key = (of_item[lists.candidates] * _odd_multiplier(np.arange(width))).sum(axis=1)
    key += of_item[lists.target] * _odd_multiplier(np.array([width]))
    since = np.arange(len(history.items)) - history.offsets[:-1][history.case]
    terms = of_item[history.items] * _odd_multiplier(since + width + 1)
    sums = np.concatenate([np.zeros(1, np.uint64), np.cumsum(terms, dtype=np.uint64)])
    key += sums[history.offsets[1:]] - sums[history.offsets[:-1]]
    again = np.ones(len(cases), dtype=np.bool_)
    again[np.unique(key, return_index=True)[1]] = False
    return again & (np.diff(history.offsets) > 0)


def _odd_multiplier(place: NDArray[np.int64]) -> NDArray[np.uint64]:
    """Return a multiplier for each place; odd, so that it loses nothing modulo 2^64."""
    weight: NDArray[np.uint64] = (place.astype(np.uint64) + 1) * np.uint64(0x9E3779B97F4A7C15)
    return weight | np.uint64(1)


def _has_negative_in(
    cases: AuditCases, row: NDArray[np.int64], codes: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """Return [n] whether a negative is in the sorted `codes` (`row * n_items + item`)."""
    lists = cases.lists
    negative = (lists.candidates != PADDING_ITEM) & ~lists.is_target
    is_member = isin_sorted(codes, row * len(cases.names) + lists.candidates)
    has_negative: NDArray[np.bool_] = (is_member & negative).any(axis=1)
    return has_negative


def _sorted_codes(
    row: NDArray[np.int64], item: NDArray[np.int64], n_items: int
) -> NDArray[np.int64]:
    return np.unique(row * n_items + item)
