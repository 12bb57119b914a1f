"""The one form in which cases are audited, whether prepared here or read from a file."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from benchkit.data.dataset import Cases, PreparedDataset
from benchkit.data.readers import external_cases
from benchkit.data.request_batch import PADDING_ITEM
from benchkit.data.splits.base import TRAIN


@dataclass(frozen=True)
class CandidateLists:
    """Candidate lists with their targets."""

    target: NDArray[np.int64]
    """[n] item codes."""
    candidates: NDArray[np.int64]
    """[n, width] item codes, shorter lists filled with PADDING_ITEM."""

    def __len__(self) -> int:
        return len(self.target)

    @cached_property
    def length(self) -> NDArray[np.int64]:
        """[n] number of candidates."""
        length: NDArray[np.int64] = np.count_nonzero(self.candidates != PADDING_ITEM, axis=1)
        return length

    @property
    def chance(self) -> float:
        """HR@1 of a random guess: the mean of 1 / length."""
        return math.fsum(1 / self.length) / len(self)

    @cached_property
    def is_target(self) -> NDArray[np.bool_]:
        """[n, width] where the target stands."""
        is_target: NDArray[np.bool_] = self.candidates == self.target[:, None]
        return is_target

    @cached_property
    def place(self) -> NDArray[np.int64]:
        """[n] where the target stands first; 0 where it does not stand at all."""
        place: NDArray[np.int64] = self.is_target.argmax(axis=1)
        return place

    def rows(self, keep: NDArray[np.bool_]) -> "CandidateLists":
        """Return the lists that are True."""
        return CandidateLists(self.target[keep], self.candidates[keep])


@dataclass(frozen=True)
class CaseHistories:
    """What the user of each of n cases did before."""

    items: NDArray[np.int64]
    """Item codes, those of all cases joined; case i has `items[offsets[i]:offsets[i + 1]]`."""
    offsets: NDArray[np.int64]
    """[n + 1]"""

    @cached_property
    def case(self) -> NDArray[np.int64]:
        """[len(items)] the case of each item."""
        return np.repeat(np.arange(len(self.offsets) - 1), np.diff(self.offsets))

    def select(self, keep: NDArray[np.bool_]) -> "CaseHistories":
        """Return the histories of the cases that are True."""
        lengths = np.diff(self.offsets)[keep]
        offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        return CaseHistories(self.items[keep[self.case]], offsets)


@dataclass(frozen=True)
class AuditCases:
    """n cases to be audited; what is None is not known."""

    name: str
    ids: Sequence[str]
    names: Sequence[str]
    """[n_items] what an item is called in the lists."""
    lists: CandidateLists
    titles: Sequence[str | None] | None = None
    """[n_items] the text of an item; None where the names are bare ids."""
    history: CaseHistories | None = None
    known: CandidateLists | None = None
    """Further cases whose targets a method may see, such as the validation cases of a test. They
    are not audited themselves, but what they reveal of the others is."""
    known_user: NDArray[np.int64] | None = None
    """[len(known)] user codes."""
    popularity: NDArray[np.int64] | None = None
    """[n_items] counts of the training interactions."""
    user: NDArray[np.int64] | None = None
    """[n] user codes."""
    interaction_keys: NDArray[np.int64] | None = None
    """Sorted `user * n_items + item` of all interactions of these users."""
    tied: NDArray[np.bool_] | None = None
    """[n] whether the target has the timestamp of the item before it."""

    def __len__(self) -> int:
        return len(self.ids)


def audit_cases_from_dataset(
    dataset: PreparedDataset, split: Literal["valid", "test"] = "test"
) -> AuditCases:
    """Return the frozen cases of one split; with test cases, the validation cases are known."""
    cases = dataset.test if split == "test" else dataset.valid
    data, n_items = dataset.interactions, len(dataset.catalog)
    lengths = cases.stop - cases.start
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    rows = np.repeat(cases.start - offsets[:-1], lengths) + np.arange(offsets[-1])
    tied = None
    if data.timestamp is not None:
        # A leave-one-out target stands right behind its history; others have no time of their own.
        at = np.minimum(cases.stop, len(data) - 1)
        tied = (lengths > 0) & (data.item[at] == cases.target) & (data.user[at] == cases.user)
        tied &= data.timestamp[at] == data.timestamp[at - 1]
    valid = dataset.valid
    is_known = split == "test" and len(valid) > 0
    return AuditCases(
        name=f"{dataset.name}, {split} cases",
        ids=cases.ids,
        names=dataset.catalog.ids,
        lists=CandidateLists(cases.target.astype(np.int64), cases.candidates.astype(np.int64)),
        titles=dataset.catalog.texts.get("title"),
        history=CaseHistories(data.item[rows].astype(np.int64), offsets),
        known=CandidateLists(valid.target.astype(np.int64), valid.candidates.astype(np.int64))
        if is_known
        else None,
        known_user=valid.user.astype(np.int64) if is_known else None,
        popularity=np.bincount(data.item[dataset.part == TRAIN], minlength=n_items),
        user=cases.user.astype(np.int64),
        interaction_keys=_negative_keys(dataset, cases),
        tied=tied,
    )


def _negative_keys(dataset: PreparedDataset, cases: Cases) -> NDArray[np.int64]:
    """Return sorted `user * n_items + item` of all interactions but further relevant items."""
    data, n_items = dataset.interactions, len(dataset.catalog)
    keys = np.unique(data.user.astype(np.int64) * n_items + data.item)
    if cases.other_targets is None:
        return keys
    others = cases.user[:, None].astype(np.int64) * n_items + cases.other_targets
    return np.setdiff1d(keys, others[cases.other_targets != PADDING_ITEM])


def audit_cases_from_file(
    path: Path,
    fields: Mapping[str, str] | None = None,
    separator: str | None = None,
    known: Path | None = None,
) -> AuditCases:
    """Return the cases of an external file; see `read_external_cases`.

    known: a second file of the same form whose targets a method may see.
    """
    cases = external_cases.read_external_cases(path, fields, separator)
    others = [] if known is None else external_cases.read_external_cases(known, fields, separator)
    codes: dict[str, int] = {}
    lists = _lists(cases, codes)
    history = None
    if any(case.history is not None for case in cases):
        histories = [case.history or () for case in cases]
        history = CaseHistories(
            np.array([_code(codes, item) for items in histories for item in items], dtype=np.int64),
            np.concatenate([[0], np.cumsum([len(items) for items in histories])]).astype(np.int64),
        )
    beside = _lists(others, codes) if others else None
    names = list(codes)
    return AuditCases(
        name=path.name,
        ids=[case.case_id for case in cases],
        names=names,
        lists=lists,
        titles=None if _look_like_ids(names) else names,
        history=history,
        known=beside,
    )


def _lists(cases: Sequence[external_cases.ExternalCase], codes: dict[str, int]) -> CandidateLists:
    width = max(len(case.candidates) for case in cases)
    table = np.full((len(cases), width), PADDING_ITEM, dtype=np.int64)
    for row, case in zip(table, cases, strict=True):
        row[: len(case.candidates)] = [_code(codes, item) for item in case.candidates]
    target = np.array([_code(codes, case.target) for case in cases], dtype=np.int64)
    return CandidateLists(target, table)


def _code(codes: dict[str, int], item: str) -> int:
    return codes.setdefault(item, len(codes))


def _look_like_ids(names: Iterable[str]) -> bool:
    """Return whether all names are one word with a digit in it, as B00005N5PF or 1193 are."""
    return all(" " not in name and any(map(str.isdigit, name)) for name in names)
