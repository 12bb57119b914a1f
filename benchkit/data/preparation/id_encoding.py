"""Ids as integers: a code for each row, and sorted distinct names of the rows that are left."""

from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray


class IdCodes(NamedTuple):
    """A code for each row of ids."""

    codes: NDArray[np.int64]
    """[rows] equal where the ids are, 0 .. n_codes - 1 in no particular order."""
    first: NDArray[np.int64]
    """[n_codes] the first row of each code."""


def factorize(ids: pl.Series) -> IdCodes:
    """Return a code for each of the strings `ids`, of which none is null.

    Sorts hashes, which is several times faster than to look each id up in a table of them. The ids
    themselves are compared where a second hash does not agree; that both agree for two of ten
    million ids has a chance below 10^-17.

    >>> factorize(pl.Series(["b", "a", "b"])).codes.tolist() in ([0, 1, 0], [1, 0, 1])
    True
    """
    n = len(ids)
    ids = ids.rechunk()
    # The row in the low bits: so sorting plain integers sorts the rows, and equal ones by row.
    bits = np.uint64(n.bit_length())
    keys = (_hashes(ids, 0) >> bits << bits) | np.arange(n, dtype=np.uint64)
    keys.sort()
    order = (keys & ((np.uint64(1) << bits) - np.uint64(1))).astype(np.int64)
    keys >>= bits
    second = _hashes(ids, 1)[order]
    starts = np.ones(n, dtype=np.bool_)
    np.not_equal(keys[1:], keys[:-1], out=starts[1:])
    collided = ~starts[1:] & (second[1:] != second[:-1])
    if collided.any():
        places = _positions_of(keys, keys[1:][collided])
        order[places], starts[places] = _sort_by_name(keys[places], ids, order[places])
    codes = np.empty(n, dtype=np.int64)
    codes[order] = np.cumsum(starts) - 1
    return IdCodes(codes, order[starts])


def encode_ids(
    ids: pl.Series, coded: IdCodes, rows: NDArray[np.int64]
) -> tuple[list[str], NDArray[np.int64]]:
    """Return the distinct ids of `rows` in sorted order, and the position of each row among them.

    >>> ids = pl.Series(["b", "c", "a", "b"])
    >>> encode_ids(ids, factorize(ids), np.array([0, 2, 3]))
    (['a', 'b'], array([1, 0, 1]))
    """
    codes = coded.codes[rows]
    present = np.flatnonzero(np.bincount(codes))
    names = ids.gather(coded.first[present])
    order = names.arg_sort().to_numpy()
    rank = np.empty(len(coded.first), dtype=np.int64)
    rank[present[order]] = np.arange(len(order))
    return names.gather(order).to_list(), rank[codes]


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


def _hashes(ids: pl.Series, seed: int) -> NDArray[np.uint64]:
    return ids.hash(seed).to_numpy()


def _positions_of(keys: NDArray[np.uint64], of: NDArray[np.uint64]) -> NDArray[np.int64]:
    """Return where in the sorted `keys` the values `of` are, ascending."""
    of = np.unique(of)
    starts, stops = (np.searchsorted(keys, of, side) for side in ("left", "right"))
    return np.concatenate([np.arange(*pair) for pair in zip(starts, stops, strict=True)])


def _sort_by_name(
    keys: NDArray[np.uint64], ids: pl.Series, rows: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Sort `rows`, of sorted `keys`, by key, id and row; return them and where each id begins."""
    table = pl.DataFrame({"key": keys, "name": ids.gather(rows), "row": rows})
    table = table.sort("key", "name", "row")
    starts = pl.any_horizontal((pl.col(c) != pl.col(c).shift(1)) for c in ("key", "name"))
    sorted_rows = table.select("row", starts=starts.fill_null(value=True))
    return sorted_rows["row"].to_numpy(), sorted_rows["starts"].to_numpy()


def deduplication_mask(
    user: NDArray[np.integer],
    item: NDArray[np.integer],
    time: NDArray[np.int64],
    rule: str,
) -> NDArray[np.bool_]:
    """Mark the rows left when a user keeps the `first` or `last` interaction with an item.

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
