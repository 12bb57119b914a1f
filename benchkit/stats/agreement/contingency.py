"""Two raters' grades side by side, as the cells of their joint table that occur.

Every statistic of two raters is a function of how often each cell occurs, so that thousands of
resamples are one matrix of counts: [resamples, cells] in, [resamples] out. Only the proportions of
the counts matter, so that sums of sampling weights do as well.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from benchkit.errors import DataError

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Statistic = Callable[[Floats], Floats]  # [m, cells] counts -> [m] values; NaN where undefined


@dataclass(frozen=True, slots=True)
class AgreementEstimate:
    """A statistic with its interval and its p value; NaN where undefined, and `reason` says why."""

    value: float
    low: float = float("nan")
    high: float = float("nan")
    p: float = float("nan")
    reason: str = ""


@dataclass(frozen=True, eq=False, slots=True)
class ContingencyTable:
    """The joint table of two raters' grades.

    x, y: [c] grades of each cell that occurs, ascending by x, then y. row, column: [c] places of
    these grades among each rater's distinct grades. counts: [c] how often. cell: [n] cell of
    each item that both graded. cluster: [n] what that item belongs to (numbered from 0), or None.
    missing: items graded by only the second rater, by only the first, by neither. weight: [n] of
    each item that both graded, or None where all weigh the same.
    """

    x: Floats
    y: Floats
    row_codes: Ints
    column_codes: Ints
    counts: Ints
    cell: Ints
    cluster: Ints | None
    missing: tuple[int, int, int]
    weight: Floats | None = None

    @property
    def n(self) -> int:
        """Items graded by both."""
        return len(self.cell)

    @property
    def observed_counts(self) -> Floats:
        """[1, c] what a statistic takes for the data themselves: counts, or sums of weights."""
        return np.bincount(self.cell, self.weight, len(self.x))[None, :].astype(np.float64)


def contingency_table(
    a: ArrayLike,
    b: ArrayLike,
    clusters: ArrayLike | None = None,
    weights: ArrayLike | None = None,
) -> ContingencyTable:
    """Pair the grades `a`, `b` [n]; items without both (NaN) are left out and counted.

    clusters: [n] labels of items that are resampled together. weights: [n] how many items of a
    population each stands for. Raises DataError where lengths differ, or a weight is not positive.
    """
    x, y = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    if x.shape != y.shape or x.ndim != 1:
        raise DataError(
            f"two raters' grades have shapes {x.shape} and {y.shape}",
            "give one grade an item to each, NaN where there is none",
        )
    no_x, no_y = np.isnan(x), np.isnan(y)
    both = ~(no_x | no_y)
    missing = (int((no_x & ~no_y).sum()), int((no_y & ~no_x).sum()), int((no_x & no_y).sum()))
    xs, row = np.unique(x[both], return_inverse=True)
    ys, column = np.unique(y[both], return_inverse=True)
    flat, cell, counts = np.unique(
        row * max(1, len(ys)) + column, return_inverse=True, return_counts=True
    )
    row, column = np.divmod(flat, max(1, len(ys)))
    weight = (
        None if weights is None else nonuniform_weights(np.asarray(weights, dtype=np.float64)[both])
    )
    return ContingencyTable(
        xs[row], ys[column], row, column, counts, cell, _clusters(clusters, both), missing, weight
    )


def nonuniform_weights(weights: ArrayLike | None) -> Floats | None:
    """The `weights` [n]; None where all are the same, which says no more than none.

    Raises DataError for one that is not positive and finite.
    """
    if weights is None:
        return None
    found = np.asarray(weights, dtype=np.float64)
    if len(bad := found[~((found > 0) & np.isfinite(found))]):
        raise DataError(
            f"{bad[0]:g} is no weight", "give positive weights: 1 / inclusion probability"
        )
    return None if (found == found[:1]).all() else found


def _clusters(labels: ArrayLike | None, kept: NDArray[np.bool_]) -> Ints | None:
    """None where every item stands alone, so that the fast path is taken."""
    if labels is None:
        return None
    distinct, codes = np.unique(np.asarray(labels)[kept], return_inverse=True)
    return None if len(distinct) == kept.sum() else codes.astype(np.int64)


def divide_where(above: Floats, below: Floats, defined: NDArray[np.bool_]) -> Floats:
    """`above` / `below` where `defined`, elsewhere NaN."""
    values: Floats = np.full(below.shape, np.nan)
    np.divide(above, below, out=values, where=defined)
    return values


def marginal_counts(counts: Floats, codes: Ints) -> Floats:
    """[m, k] sums of `counts` [m, cells] over cells of the same code; codes 0..k-1 all occur."""
    order = np.argsort(codes, kind="stable")
    starts = np.flatnonzero(np.diff(codes[order], prepend=-1))
    return np.add.reduceat(counts[:, order], starts, axis=1)


def mid_ranks(margins: Floats) -> Floats:
    """[m, k] mean rank of each grade given how often grades occur, less half: its mean is n/2."""
    return np.cumsum(margins, axis=1) - margins / 2
