"""Ids as integers: a code for each row, and sorted distinct names of the rows that are left."""

from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray


class Coded(NamedTuple):
    """codes: [rows] equal where the ids are, 0 .. n_codes - 1 in no particular order.
    first: [n_codes] the first row of each code."""

    codes: NDArray[np.int64]
    first: NDArray[np.int64]


def coded(ids: pl.Series) -> Coded:
    """A code for each of the strings `ids`, of which none is null.

    Sorts hashes, which is several times faster than to look each id up in a table of them, and
    then compares the ids themselves.

    >>> coded(pl.Series(["b", "a", "b"])).codes.tolist() in ([0, 1, 0], [1, 0, 1])
    True
    """
    n = len(ids)
    ids = ids.rechunk()
    # The row in the low bits: so sorting plain integers sorts the rows, and equal ones by row.
    bits = np.uint64(n.bit_length())
    keys = (_hashes(ids) >> bits << bits) | np.arange(n, dtype=np.uint64)
    keys.sort()
    order = (keys & ((np.uint64(1) << bits) - np.uint64(1))).astype(np.int64)
    keys >>= bits
    starts = _changes(ids.gather(order))
    collided = starts[1:] & (keys[1:] == keys[:-1])
    if collided.any():
        places = _places(keys, keys[1:][collided])
        order[places] = _by_name(keys[places], ids, order[places])
        names = ids.gather(order[places])
        starts[places] = _changes(names) | _changes(pl.Series(keys[places]))
    codes = np.empty(n, dtype=np.int64)
    codes[order] = np.cumsum(starts) - 1
    return Coded(codes, order[starts])


def encode(
    ids: pl.Series, coded: Coded, rows: NDArray[np.int64]
) -> tuple[list[str], NDArray[np.int64]]:
    """Distinct ids of `rows` in sorted order, and the position of each of the rows among them.

    >>> ids = pl.Series(["b", "c", "a", "b"])
    >>> encode(ids, coded(ids), np.array([0, 2, 3]))
    (['a', 'b'], array([1, 0, 1]))
    """
    codes = coded.codes[rows]
    present = np.flatnonzero(np.bincount(codes))
    names = ids.gather(coded.first[present])
    order = names.arg_sort().to_numpy()
    rank = np.empty(len(coded.first), dtype=np.int64)
    rank[present[order]] = np.arange(len(order))
    return names.gather(order).to_list(), rank[codes]


def _hashes(ids: pl.Series) -> NDArray[np.uint64]:
    return ids.hash(0).to_numpy()


def _changes(values: pl.Series) -> NDArray[np.bool_]:
    """[n] whether a value differs from the one before it; True for the first."""
    return (values != values.shift(1)).fill_null(value=True).to_numpy(writable=True)


def _places(keys: NDArray[np.uint64], of: NDArray[np.uint64]) -> NDArray[np.int64]:
    """Where in the sorted `keys` the values `of` stand, ascending."""
    of = np.unique(of)
    starts, stops = (np.searchsorted(keys, of, side) for side in ("left", "right"))
    return np.concatenate([np.arange(*pair) for pair in zip(starts, stops, strict=True)])


def _by_name(
    keys: NDArray[np.uint64], ids: pl.Series, rows: NDArray[np.int64]
) -> NDArray[np.int64]:
    """`rows`, of sorted `keys`, sorted by key, id and row."""
    table = pl.DataFrame({"key": keys, "name": ids.gather(rows), "row": rows})
    return table.sort("key", "name", "row")["row"].to_numpy()


def keep_one(
    user: NDArray[np.integer],
    item: NDArray[np.integer],
    time: NDArray[np.int64],
    rule: str,
) -> NDArray[np.bool_]:
    """Rows left when a user keeps one interaction with an item: the `first` or the `last` in time.

    Equal times count in the order of the rows.
    """
    pair = user.astype(np.int64) * (int(item.max(initial=0)) + 1) + item
    keep = np.ones(len(pair), dtype=np.bool_)
    # Repeats are few: finding them costs one sort of integers, ordering all rows by time far more.
    ordered = np.sort(pair)
    repeated = np.unique(ordered[1:][ordered[1:] == ordered[:-1]])
    if not len(repeated):
        return keep
    rows = pl.Series(pair).is_in(pl.Series(repeated).implode()).arg_true().to_numpy()
    order = rows[np.lexsort((time[rows], pair[rows]))]  # stable
    ends = np.flatnonzero(np.diff(pair[order], append=-1))
    starts = np.concatenate([[0], ends[:-1] + 1])
    keep[rows] = False
    keep[order[starts if rule == "first" else ends]] = True
    return keep
