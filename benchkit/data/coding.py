"""Ids as integers: sorted distinct names, and each row's position among them."""

import numpy as np
import polars as pl
from numpy.typing import NDArray


def as_categorical(column: pl.Series) -> pl.Series:
    """Ids as a Categorical, whose physical values are codes in no particular order."""
    if isinstance(column.dtype, pl.Categorical):
        return column
    # Categories of its own: a shared pool would grow with every dataset of the process.
    return column.cast(pl.String).cast(pl.Categorical(pl.Categories.random()))


def encode(column: pl.Series) -> tuple[list[str], NDArray[np.int64]]:
    """Distinct ids in sorted order, and the code of each row.

    >>> encode(as_categorical(pl.Series(["b", "a", "b"])))
    (['a', 'b'], array([1, 0, 1]))
    """
    distinct = column.unique()
    names = distinct.cast(pl.String)
    order = names.arg_sort()
    rank = np.empty(int(distinct.to_physical().max() or 0) + 1, dtype=np.int64)  # type: ignore[arg-type]
    rank[distinct.to_physical()[order].to_numpy()] = np.arange(len(order))
    return names[order].to_list(), rank[column.to_physical().to_numpy()]


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
