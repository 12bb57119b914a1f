"""A prepared dataset: interactions, catalogue and frozen cases, and what of it a method may see."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from benchkit import seeds
from benchkit.data.request_batch import PADDING_ITEM, PackedTrainData, RequestBatch, TrainData
from benchkit.data.splits.base import TRAIN
from benchkit.types import Catalog, Interactions, Request

_TEXTS = 65_536  # hashed at once: the reviews of a large dataset joined are gigabytes


@dataclass(frozen=True)
class Cases:
    """Frozen questions with their answer key, as arrays of length n."""

    ids: tuple[str, ...]
    user: NDArray[np.int32]
    """[n] user codes."""
    start: NDArray[np.int64]
    """[n] the history is rows `start:stop` of the interactions."""
    stop: NDArray[np.int64]
    target: NDArray[np.int32]
    """[n] item codes."""
    candidates: NDArray[np.int32]
    """[n, width] item codes; lists that are shorter than the longest end in PADDING_ITEM. The
    target is among them, except in lists that somebody else made without it."""
    other_targets: NDArray[np.int32] | None = None
    """[n, h] codes of further relevant items, PADDING_ITEM beyond the last; None where each case
    has one relevant item, the target."""
    grades: NDArray[np.float32] | None = None
    """[n, 1 + h] how relevant the target and the further items are; None where all count 1."""

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def target_position(self) -> NDArray[np.int64]:
        """[n] where in its candidates the target stands; -1 where it is not among them."""
        return find_columns(self.candidates, self.target)

    @property
    def lengths(self) -> NDArray[np.int64]:
        """[n] number of candidates."""
        lengths: NDArray[np.int64] = np.count_nonzero(self.candidates != PADDING_ITEM, axis=1)
        return lengths

    @property
    def is_decided(self) -> NDArray[np.bool_]:
        """[n] whether the list is one relevant item, so that every answer is right."""
        is_first = (self.candidates[:, :1] == self.relevant).any(axis=1)
        decided: NDArray[np.bool_] = (self.lengths == 1) & is_first
        return decided

    @property
    def relevant(self) -> NDArray[np.int32]:
        """[n, 1 + h] the target and the further relevant items, filled with PADDING_ITEM."""
        if self.other_targets is None:
            return self.target[:, None]
        return np.concatenate([self.target[:, None], self.other_targets], axis=1)

    def sample(self, count: int | None) -> "Cases":
        """Return `count` cases (all for None), chosen by a hash of their ids, in the same order.

        A smaller sample is part of every larger one.
        """
        if count is None or count >= len(self):
            return self
        return self.select(_smallest_hashes(self.ids, count))

    def sample_users(self, count: int | None) -> "Cases":
        """Return all cases of `count` users (of all for None), in the same order.

        Users are chosen by a hash of the id of their first case; with one case a user, that is
        `sample`. A smaller sample is part of every larger one.
        """
        users, first = np.unique(self.user, return_index=True)
        if count is None or count >= len(users):
            return self
        chosen = users[_smallest_hashes([self.ids[row] for row in first.tolist()], count)]
        return self.select(np.flatnonzero(np.isin(self.user, chosen)))

    def slice(self, start: int, stop: int) -> "Cases":
        """Return the cases `start:stop`."""
        return self.select(np.arange(len(self))[start:stop])

    def replace_candidates(self, candidates: NDArray[np.int32]) -> "Cases":
        """Return the cases with other lists, [n, width]."""
        return replace(self, candidates=candidates)

    def select(self, rows: NDArray[np.int64]) -> "Cases":
        """Return the cases at these positions."""
        return Cases(
            ids=tuple(self.ids[row] for row in rows),
            user=self.user[rows],
            start=self.start[rows],
            stop=self.stop[rows],
            target=self.target[rows],
            candidates=self.candidates[rows],
            other_targets=None if self.other_targets is None else self.other_targets[rows],
            grades=None if self.grades is None else self.grades[rows],
        )


def _smallest_hashes(names: Sequence[str], count: int) -> NDArray[np.int64]:
    """Return the positions, ascending, of the `count` names with the smallest hashes."""
    keys = np.array([seeds.derive("sample", name) for name in names], dtype=np.uint64)
    return np.sort(np.argsort(keys, kind="stable")[:count])


@dataclass(frozen=True)
class PreparedDataset:
    """Everything that is known of a dataset; only the harness holds one."""

    name: str
    users: tuple[str, ...]
    catalog: Catalog
    interactions: Interactions
    """All rows, test targets included."""
    part: NDArray[np.uint8]
    """[n_rows] TRAIN, VALID or TEST."""
    valid: Cases
    test: Cases
    report: dict[str, int]
    """What preparation counted, stage by stage."""
    caveats: tuple[str, ...] = ()
    """What a reader must know of its cases; tables show it as footnotes."""
    is_synthetic: bool = False
    """Whether generated data stand in for those of the name: see `benchkit.data.demo`."""

    def requests(
        self,
        cases: Cases,
        start: int = 0,
        stop: int | None = None,
        candidates: Literal["frozen", "catalog"] = "frozen",
    ) -> Iterator[Request]:
        """Yield the questions `start:stop` of `cases`; the target is not in them."""
        return iter(
            self.request_batch(cases.slice(*slice(start, stop).indices(len(cases))[:2]), candidates)
        )

    def request_batch(
        self, cases: Cases, candidates: Literal["frozen", "catalog"] = "frozen"
    ) -> RequestBatch:
        """Return the questions of `cases` as a sequence; the target is not in them."""
        data = self.interactions
        lengths = cases.stop - cases.start
        offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        rows = np.arange(offsets[-1]) + np.repeat(cases.start - offsets[:-1], lengths)
        return RequestBatch(
            case_ids=cases.ids,
            users=tuple(self.users[code] for code in cases.user.tolist()),
            offsets=offsets,
            items=data.item[rows],
            ratings=None if data.rating is None else data.rating[rows],
            timestamps=None if data.timestamp is None else data.timestamp[rows],
            reviews=None if data.review is None else [data.review[r] for r in rows.tolist()],
            candidates=cases.candidates if candidates == "frozen" else None,
            ids=self.catalog.ids,
        )

    def train_view(self) -> TrainData:
        """Return what `fit` may see: training rows, item texts, validation cases."""
        return self.packed_train_view().unpack()

    def packed_train_view(self) -> PackedTrainData:
        """Return the training view in the form in which it crosses processes."""
        data, train = self.interactions, self.part == TRAIN
        counts = np.bincount(data.user[train], minlength=len(self.users))
        rows = np.flatnonzero(train)
        # Masking copies, so nothing here leads back to the rows that are asked for.
        interactions = Interactions(
            user=data.user[train],
            item=data.item[train],
            offsets=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
            rating=None if data.rating is None else data.rating[train],
            timestamp=None if data.timestamp is None else data.timestamp[train],
            review=None if data.review is None else [data.review[int(row)] for row in rows],
            rating_scale=data.rating_scale,
        )
        # Lists of others may lack the target; no choice of a model can be right there.
        answerable = self.valid.select(np.flatnonzero(self.valid.target_position >= 0))
        return PackedTrainData(
            self.name,
            self.users,
            self.catalog,
            interactions,
            self.request_batch(answerable),
            answerable.target,
        )

    @cached_property
    def fingerprint(self) -> str:
        """Hash of the content: ids, texts, interactions, split and frozen cases."""
        digest = hashlib.sha256()
        digest.update(self.candidates_hash.encode())
        _strings(digest, self.users)
        for column in sorted(self.catalog.texts):
            _strings(digest, (column, *self.catalog.texts[column]))
        data = self.interactions
        for array in (data.user, data.item, data.rating, _shorten(data.timestamp), self.part):
            digest.update(b"-" if array is None else array.tobytes())
        scale = self.catalog.rating_scale
        if scale is not None and not scale.counts_stars:
            digest.update(f"{scale}{scale.is_binary}".encode())
        _strings(digest, data.review or ())
        if self.is_synthetic:
            digest.update(b"synthetic")
        return digest.hexdigest()

    @cached_property
    def candidates_hash(self) -> str:
        """Hash of the questions and the answer key alone."""
        digest = hashlib.sha256()
        _strings(digest, self.catalog.ids)
        for cases in (self.valid, self.test):
            _strings(digest, cases.ids)
            for array in (cases.user, cases.start, cases.stop, cases.target, cases.candidates):
                digest.update(array.tobytes())
            for name in ("other_targets", "grades"):  # absent where a case has one target
                if (extra := getattr(cases, name)) is not None:
                    digest.update(f"{name}{extra.shape}".encode() + extra.tobytes())
        return digest.hexdigest()


def _shorten(time: NDArray[np.int64] | None) -> NDArray[np.int64] | None:
    """Return times [n] in the coarsest unit that holds them all, as files have them.

    So a dataset has one fingerprint whatever unit its times were read from. Which unit it is
    follows from the size of the numbers; where it does not, the unit stands at the end.
    """
    if time is None or not len(time):
        return time
    # Here, because methods import this module where polars must not be loaded: see processes.
    import polars as pl

    from benchkit.data.readers import time_parsing

    unit = time_parsing.coarsest_unit(time)
    values: NDArray[np.int64] = time // time_parsing.NANOSECONDS[unit]
    guesses: set[int] = set()
    for start in range(0, len(values), _TEXTS):  # takes ten times as much memory as the times
        numbers = time_parsing.split_numbers(pl.Series(values[start : start + _TEXTS]))
        guesses.update(np.unique(time_parsing.guess_units(numbers)).tolist())
    if guesses - {-1} not in (set(), {time_parsing.TIME_UNITS.index(unit)}):
        values = np.append(values, time_parsing.NANOSECONDS[unit])
    return values


def find_columns(table: NDArray[np.integer], values: NDArray[np.integer]) -> NDArray[np.int64]:
    """Return [n] the first column of `table` [n, c] that holds `values` [n]; -1 where none does.

    >>> find_columns(np.array([[4, 5], [6, 7]]), np.array([5, 9])).tolist()
    [1, -1]
    """
    equal = table == values[:, None]
    columns: NDArray[np.int64] = np.where(equal.any(axis=1), equal.argmax(axis=1), -1)
    return columns


def _strings(digest: "hashlib._Hash", values: Sequence[str | None]) -> None:
    """Hash texts so that neither order, boundary nor absence can be confused."""
    digest.update(f"{len(values)}\x1f".encode())
    for start in range(0, len(values), _TEXTS):
        part = values[start : start + _TEXTS]
        text = "\x1e".join("\x00" if value is None else value for value in part)
        digest.update(f"\x1e{text}".encode() if start else text.encode())
    digest.update(b"\x1d")
