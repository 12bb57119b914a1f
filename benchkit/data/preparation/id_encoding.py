"""Ids as integers: a code for each row, and sorted distinct names of the rows that are left."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from benchkit.data.disk_table import Table, gather, iter_chunks

_PART = 1 << 22  # rows that are worked on at once, where a copy of all would be as large as they


class IdCodes(NamedTuple):
    """A code for each row of ids."""

    codes: NDArray[np.int32]
    """[rows] equal where the ids are, 0 .. n_codes - 1 in no particular order."""
    first: NDArray[np.int32]
    """[n_codes] the first row of each code."""


def factorize(table: Table, name: str) -> IdCodes:
    """Return a code for each of the strings in a column, of which none is null.

    Sorts hashes, which is several times faster than to look each id up in a table of them. The ids
    themselves are compared where a second hash does not agree; that both agree for two of ten
    million ids has a chance below 10^-17.

    >>> factorize(pl.DataFrame({"id": ["b", "a", "b"]}), "id").codes.tolist() in (
    ...     [0, 1, 0], [1, 0, 1])
    True
    """
    n = len(table)
    # The row in the low bits: so sorting plain integers sorts the rows, and equal ones by row.
    bits = np.uint64(n.bit_length())
    keys = _hashes(table, name, seed=0)
    keys >>= bits
    keys <<= bits
    for start, stop in _parts(n):
        keys[start:stop] |= np.arange(start, stop, dtype=np.uint64)
    keys.sort()
    order = np.empty(n, dtype=np.int32)
    for start, stop in _parts(n):
        order[start:stop] = keys[start:stop] & ((np.uint64(1) << bits) - np.uint64(1))
    keys >>= bits
    starts = np.ones(n, dtype=np.bool_)
    np.not_equal(keys[1:], keys[:-1], out=starts[1:])
    collided = _find_collisions(_hashes(table, name, seed=1), order, starts)
    if len(collided):
        places = _positions_of(keys, keys[collided])
        order[places], starts[places] = _sort_by_name(keys[places], table, name, order[places])
    del keys
    codes = np.empty(n, dtype=np.int32)
    n_codes = 0
    for start, stop in _parts(n):
        numbers = np.cumsum(starts[start:stop], dtype=np.int32)
        codes[order[start:stop]] = numbers + (n_codes - 1)
        n_codes += int(numbers[-1])
    return IdCodes(codes, order[starts])


def encode_ids(
    table: Table, name: str, coded: IdCodes, rows: NDArray[np.integer]
) -> tuple[list[str], NDArray[np.int64]]:
    """Return the distinct ids of `rows` in sorted order, and the position of each row among them.

    >>> table = pl.DataFrame({"id": ["b", "c", "a", "b"]})
    >>> encode_ids(table, "id", factorize(table, "id"), np.array([0, 2, 3]))
    (['a', 'b'], array([1, 0, 1]))
    """
    codes = coded.codes[rows]
    present = np.flatnonzero(count_codes(codes, len(coded.first)))
    names = gather(table, name, coded.first[present])
    order = names.arg_sort().to_numpy()
    rank = np.empty(len(coded.first), dtype=np.int64)
    rank[present[order]] = np.arange(len(order))
    return names.gather(order).to_list(), rank[codes]


def count_codes(codes: NDArray[np.integer], n_codes: int) -> NDArray[np.int64]:
    """Return [n_codes] how often each code occurs."""
    counts = np.zeros(n_codes, dtype=np.int64)
    # NumPy copies what it counts; parts are so large that adding up their counts costs little.
    step = max(_PART, n_codes)
    for start in range(0, len(codes), step):
        counts += np.bincount(codes[start : start + step], minlength=n_codes)
    return counts


def chronological_order(user: NDArray[np.integer], time: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the order of rows by user, then time; those with equal times keep theirs.

    >>> chronological_order(np.array([1, 0, 1, 1]), np.array([5, 9, 3, 5]))
    array([1, 2, 0, 3])
    """
    by_time: NDArray[np.int64] = np.argsort(time, kind="stable")
    # As in `factorize`: the place among all times below the user.
    bits = len(user).bit_length()
    keys = (user[by_time].astype(np.int64) << bits) | np.arange(len(user))
    keys.sort()
    order: NDArray[np.int64] = by_time[keys & ((1 << bits) - 1)]
    return order


def _parts(n: int) -> Iterator[tuple[int, int]]:
    for start in range(0, n, _PART):
        yield start, min(start + _PART, n)


def _hashes(table: Table, name: str, seed: int) -> NDArray[np.uint64]:
    hashes, start = np.empty(len(table), dtype=np.uint64), 0
    for chunk in iter_chunks(table, name):
        hashes[start : start + len(chunk)] = chunk[name].hash(seed).to_numpy()
        start += len(chunk)
    return hashes


def _find_collisions(
    second: NDArray[np.uint64], order: NDArray[np.int32], starts: NDArray[np.bool_]
) -> NDArray[np.int64]:
    """Return the places in `order` whose id is another one than that before, with equal keys."""
    places = [np.empty(0, dtype=np.int64)]
    for start, stop in _parts(len(order)):
        before = max(start - 1, 0)  # each with the last one of the part before
        hashes = second[order[before:stop]]
        differs = ~starts[before + 1 : stop] & (hashes[1:] != hashes[:-1])
        places.append(np.flatnonzero(differs) + before + 1)
    return np.concatenate(places)


def _positions_of(keys: NDArray[np.uint64], of: NDArray[np.uint64]) -> NDArray[np.int64]:
    """Return where in the sorted `keys` the values `of` are, ascending."""
    of = np.unique(of)
    starts, stops = (np.searchsorted(keys, of, side) for side in ("left", "right"))
    return np.concatenate([np.arange(*pair) for pair in zip(starts, stops, strict=True)])


def _sort_by_name(
    keys: NDArray[np.uint64], ids: Table, name: str, rows: NDArray[np.int32]
) -> tuple[NDArray[np.int32], NDArray[np.bool_]]:
    """Sort `rows`, of sorted `keys`, by key, id and row; return them and where each id begins."""
    table = pl.DataFrame({"key": keys, "name": gather(ids, name, rows), "row": rows})
    table = table.sort("key", "name", "row")
    starts = pl.any_horizontal((pl.col(c) != pl.col(c).shift(1)) for c in ("key", "name"))
    sorted_rows = table.select("row", starts=starts.fill_null(value=True))
    return sorted_rows["row"].to_numpy(), sorted_rows["starts"].to_numpy()


def deduplication_mask(
    user: NDArray[np.integer],
    item: NDArray[np.integer],
    times_of: Callable[[NDArray[np.int64]], NDArray[np.int64]],
    rule: str,
    counted: NDArray[np.bool_] | None = None,
) -> NDArray[np.bool_]:
    """Mark the rows left when a user keeps the `first` or `last` interaction with an item.

    Equal times count in the order of the rows.

    Args:
        user: [n] codes.
        item: [n] codes.
        times_of: Returns the times of some rows, ascending.
        rule: "first"; anything else is the last.
        counted: [n] the rows that there are, all when absent; others are not left.
    """
    pair = user.astype(np.int64)
    pair *= int(item.max(initial=0)) + 1
    pair += item
    keep = np.ones(len(pair), dtype=np.bool_) if counted is None else counted.copy()
    # Repeats are few: finding them costs one sort of integers, ordering all rows by time far more.
    ordered = pair[keep] if counted is not None else pair.copy()
    ordered.sort()
    repeated = np.unique(ordered[1:][ordered[1:] == ordered[:-1]])
    del ordered
    if not len(repeated):
        return keep
    wanted = pl.Series(repeated).implode()
    rows = np.concatenate(
        [
            start + pl.Series(pair[start:stop]).is_in(wanted).arg_true().to_numpy().astype(np.int64)
            for start, stop in _parts(len(pair))
        ]
    )
    rows = rows[keep[rows]]
    order = rows[np.lexsort((times_of(rows), pair[rows]))]  # stable
    ends = np.flatnonzero(np.diff(pair[order], append=-1))
    starts = np.concatenate([[0], ends[:-1] + 1])
    keep[rows] = False
    keep[order[starts if rule == "first" else ends]] = True
    return keep
