"""What leaves the harness: questions and training data, in forms that cross processes cheaply."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from benchkit.types import Catalog, Event, Interactions, Request, ValidationCase, ratings_or_none

PADDING_ITEM = -1  # fills the rows of lists that are shorter than the longest


@dataclass(frozen=True)
class RequestBatch(Sequence[Request]):
    """n questions as arrays; each becomes a `Request` where it is read.

    A history is slow to send as objects and fast as arrays, and the harness, which only looks at
    case ids and candidates, need not build it at all.
    """

    case_ids: tuple[str, ...]
    users: tuple[str, ...]
    offsets: NDArray[np.int64]
    """[n + 1] the history of question i is `offsets[i]:offsets[i + 1]` of what follows."""
    items: NDArray[np.int32]
    """Item codes."""
    ratings: NDArray[np.float32] | None
    timestamps: NDArray[np.int64] | None
    reviews: Sequence[str | None] | None
    candidates: NDArray[np.int32] | None
    """[n, c] item codes, shorter lists filled with PADDING_ITEM; None for the whole catalogue."""
    ids: tuple[str, ...] = ()
    """Item ids by code; they do not travel: see `bind`."""

    def __len__(self) -> int:
        return len(self.case_ids)

    @overload
    def __getitem__(self, place: int) -> Request: ...
    @overload
    def __getitem__(self, place: slice) -> list[Request]: ...
    def __getitem__(self, place: int | slice) -> Request | list[Request]:
        rows = range(len(self))[place]
        if isinstance(rows, int):
            return self._request(rows)
        return [self._request(row) for row in rows]

    def __iter__(self) -> Iterator[Request]:
        return map(self._request, range(len(self)))

    def without_histories(self) -> Iterator[Request]:
        """Yield the questions with empty histories: all that checking an answer needs."""
        for row in range(len(self)):
            yield Request(self.case_ids[row], self.users[row], (), self._listed(row))

    def bind(self, ids: tuple[str, ...]) -> "RequestBatch":
        """Return the batch that has arrived with the item ids that its codes mean."""
        return replace(self, ids=ids)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "ids": ()}

    def _request(self, row: int) -> Request:
        return Request(self.case_ids[row], self.users[row], self._history(row), self._listed(row))

    def _listed(self, row: int) -> tuple[str, ...]:
        if self.candidates is None:
            return self.ids
        ids = self.ids
        return tuple([ids[code] for code in self.candidates[row].tolist() if code != PADDING_ITEM])

    def _history(self, row: int) -> tuple[Event, ...]:
        rows = slice(int(self.offsets[row]), int(self.offsets[row + 1]))
        n = rows.stop - rows.start
        none: Sequence[None] = (None,) * n
        columns = (
            [self.ids[code] for code in self.items[rows].tolist()],
            none if self.ratings is None else ratings_or_none(self.ratings[rows]),
            none if self.timestamps is None else self.timestamps[rows].tolist(),
            none if self.reviews is None else self.reviews[rows],
        )
        return tuple(map(Event, *columns))


@dataclass(frozen=True)
class TrainData:
    """The `TrainView` of a prepared dataset, as `fit` gets it."""

    name: str
    users: Sequence[str]
    catalog: Catalog
    interactions: Interactions
    validation: Sequence[ValidationCase]


@dataclass(frozen=True)
class PackedTrainData:
    """A `TrainView` on its way to another process."""

    name: str
    users: Sequence[str]
    catalog: Catalog
    interactions: Interactions
    requests: RequestBatch
    """Of the validation cases."""
    targets: NDArray[np.int32]
    """[n] item codes of their answers."""

    def unpack(self) -> TrainData:
        """Return what `fit` gets."""
        ids = self.catalog.ids
        validation = [
            ValidationCase(request, ids[target])
            for request, target in zip(self.requests.bind(ids), self.targets.tolist(), strict=True)
        ]
        return TrainData(self.name, self.users, self.catalog, self.interactions, validation)
