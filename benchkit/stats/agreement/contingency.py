"""Two raters' grades side by side, as the cells of their joint table that occur.

Every statistic of two raters is a function of how often each cell occurs, so that thousands of
resamples are one matrix of counts: [resamples, cells] in, [resamples] out. Only the proportions of
the counts matter, so that sums of sampling weights do as well.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from benchkit.errors import DataError
from benchkit.stats.arrays import Bools, Floats, Ints


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
    """The joint table of two raters' grades of the same items."""

    x: Floats
    """[c] the first rater's grade in each cell that occurs, ascending by x, then y."""
    y: Floats
    """[c] the second rater's grade."""
    row_codes: Ints
    """[c] positions of x among the first rater's distinct grades."""
    column_codes: Ints
    """[c] positions of y among the second rater's."""
    counts: Ints
    """[c] items in each cell."""
    cell: Ints
    """[n] cell of each item that both graded."""
    cluster: Ints | None
    """[n] what the item belongs to, numbered from 0; None where each item stands alone."""
    missing: tuple[int, int, int]
    """Items graded by only the second rater, by only the first, by neither."""
    weight: Floats | None = None
    """[n] weight of each item that both graded; None where all weigh the same."""

    @property
    def n(self) -> int:
        """Items graded by both."""
        return len(self.cell)

    @property
    def observed_counts(self) -> Floats:
        """[1, c] what a statistic takes for the data themselves: counts, or sums of weights."""
        return np.bincount(self.cell, self.weight, len(self.x))[None, :].astype(np.float64)


def contingency_table(
    a: ArrayLike, b: ArrayLike, clusters: ArrayLike | None = None, weights: ArrayLike | None = None
) -> ContingencyTable:
    """Pair the grades `a`, `b` [n]; items without both (NaN) are left out and counted.

    Args:
        a: [n] grades of the first rater.
        b: [n] grades of the second.
        clusters: [n] labels of items that are resampled together.
        weights: [n] how many items of a population each stands for.

    Raises:
        DataError: Where lengths differ, or a weight is not positive.
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
    width = max(1, len(ys))
    flat, cell, counts = np.unique(row * width + column, return_inverse=True, return_counts=True)
    row, column = np.divmod(flat, width)
    cluster = encode_clusters(clusters, both)
    if cluster is not None and len(np.unique(cluster)) == len(cluster):
        cluster = None  # every item stands alone, for which there is a fast path
    weight = None
    if weights is not None:
        weight = nonuniform_weights(np.asarray(weights, dtype=np.float64)[both])
    return ContingencyTable(
        xs[row], ys[column], row, column, counts, cell, cluster, missing, weight
    )


def effective_number(weights: ArrayLike) -> float:
    """Return how many items of equal weights are as good as those with `weights` [n] (Kish 1965).

    >>> effective_number([1, 1, 1, 1]), effective_number([3, 1])
    (4.0, 1.6)
    """
    w = np.asarray(weights, dtype=np.float64)
    return float(w.sum() ** 2 / (w @ w)) if len(w) else 0.0


def nonuniform_weights(weights: ArrayLike | None) -> Floats | None:
    """Return the weights [n], or None where all are the same, which says no more than none.

    Raises:
        DataError: For a weight that is not positive and finite.
    """
    if weights is None:
        return None
    w = np.asarray(weights, dtype=np.float64)
    if len(bad := w[~((w > 0) & np.isfinite(w))]):
        raise DataError(
            f"{bad[0]:g} is not a weight", "give positive weights: 1 / inclusion probability"
        )
    return None if (w == w[:1]).all() else w


def encode_clusters(labels: ArrayLike | None, rows: Bools | Ints | slice) -> Ints | None:
    """Return the labels [n] of the chosen `rows` as numbers from 0; None without labels."""
    if labels is None:
        return None
    return np.unique(np.asarray(labels)[rows], return_inverse=True)[1].astype(np.int64)


def divide_where(above: Floats, below: Floats, defined: Bools) -> Floats:
    """Divide `above` by `below` where `defined`; NaN elsewhere."""
    values: Floats = np.full(below.shape, np.nan)
    np.divide(above, below, out=values, where=defined)
    return values


def marginal_counts(counts: Floats, codes: Ints) -> Floats:
    """Return [m, k] sums of `counts` [m, cells] over cells of the same code 0..k-1; all occur."""
    order = np.argsort(codes, kind="stable")
    starts = np.flatnonzero(np.diff(codes[order], prepend=-1))
    return np.add.reduceat(counts[:, order], starts, axis=1)


def mid_ranks(margins: Floats) -> Floats:
    """Return [m, k] mean rank of each grade less a half, from how often grades occur.

    The mean over items is n / 2.
    """
    return np.cumsum(margins, axis=1) - margins / 2
