"""Ids as integers: sorted distinct names, and each row's position among them."""

import numpy as np
import polars as pl
from numpy.typing import NDArray


def encode(column: pl.Series) -> tuple[list[str], NDArray[np.int64]]:
    """Distinct ids in sorted order, and the code of each row.

    column: strings, or a Categorical (which a source that reads in pieces keeps its ids in).

    >>> encode(pl.Series(["b", "a", "b"]))
    (['a', 'b'], array([1, 0, 1]))
    """
    if not isinstance(column.dtype, pl.Categorical):
        # Categories of its own: a shared pool would grow with every dataset of the process.
        column = column.cast(pl.Categorical(pl.Categories.random()))
    distinct = column.unique()
    names = distinct.cast(pl.String)
    order = names.arg_sort()
    rank = np.empty(int(distinct.to_physical().max() or 0) + 1, dtype=np.int64)  # type: ignore[arg-type]
    rank[distinct.to_physical()[order].to_numpy()] = np.arange(len(order))
    return names[order].to_list(), rank[column.to_physical().to_numpy()]


def drop_unused(ids: list[str], codes: NDArray[np.int64]) -> tuple[list[str], NDArray[np.int64]]:
    """The ids that some row has, and the codes among them.

    >>> drop_unused(["a", "b", "c"], np.array([2, 0]))
    (['a', 'c'], array([1, 0]))
    """
    used = np.bincount(codes, minlength=len(ids)) > 0
    rank = np.cumsum(used) - 1
    return [name for name, kept in zip(ids, used.tolist(), strict=True) if kept], rank[codes]


def keep_one(
    user: NDArray[np.int64],
    item: NDArray[np.int64],
    time: NDArray[np.int64],
    rule: str,
) -> NDArray[np.bool_]:
    """Rows left when a user keeps one interaction with an item: the `first` or the `last` in time.

    Equal times count in the order of the rows.
    """
    pair = user * (int(item.max(initial=0)) + 1) + item
    keep = np.ones(len(pair), dtype=np.bool_)
    # Repeats are few: finding them costs one sort of integers, ordering all rows by time far more.
    ordered = np.sort(pair)
    repeated = np.unique(ordered[1:][ordered[1:] == ordered[:-1]])
    if not len(repeated):
        return keep
    place = np.searchsorted(repeated, pair).clip(max=len(repeated) - 1)
    rows = np.flatnonzero(repeated[place] == pair)
    order = rows[np.lexsort((time[rows], pair[rows]))]  # stable
    ends = np.flatnonzero(np.diff(pair[order], append=-1))
    starts = np.concatenate([[0], ends[:-1] + 1])
    keep[rows] = False
    keep[order[starts if rule == "first" else ends]] = True
    return keep
