"""Cohen's kappa with quadratic weights (QWK), and how often two raters agree.

scikit-learn's kappa takes one table at a time; a bootstrap needs thousands at once, with weights.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from benchkit.errors import DataError
from benchkit.stats.agreement.contingency import ContingencyTable, contingency_table, divide_where
from benchkit.stats.agreement.correlation import moments_of_counts
from benchkit.stats.arrays import Floats, Statistic


def quadratic_weighted_kappa(
    a: ArrayLike, b: ArrayLike, categories: Sequence[float] | None = None
) -> float:
    """Return the QWK of the grades `a`, `b` [n] (Cohen 1968); NaN where undefined.

    Items without both grades are left out. Undefined where both raters are constant.

    Args:
        a: [n] grades of the first rater.
        b: [n] grades of the second.
        categories: All grades of the scale, ascending; grades differ by how many categories lie
            between them. By default those that occur, as in scikit-learn: name the scale wherever a
            grade in its middle may go unused.

    >>> round(quadratic_weighted_kappa([0, 1, 2, 3], [0, 1, 3, 3]), 4)
    0.9167

    Raises:
        DataError: For a grade that is not a category.
    """
    table = contingency_table(a, b)
    if not table.n:
        return float("nan")
    return float(quadratic_kappa(table, categories)(table.observed_counts)[0])


def quadratic_kappa(
    table: ContingencyTable, categories: Sequence[float] | None = None
) -> Statistic:
    """Return QWK for many tables of counts at once; the same rules.

    Observed and expected disagreement are moments of the categories' positions i and j:
    kappa = 1 - E(i - j)^2 / E(i - j')^2 = 2 cov / (var i + var j + (mean i - mean j)^2).
    """
    i, j = category_positions(table, categories)
    middle = (i.mean() + j.mean()) / 2  # smaller numbers, less rounding

    def statistic(counts: Floats) -> Floats:
        mi, mj, vi, vj, cov = moments_of_counts(i - middle, j - middle, counts)
        expected = vi + vj + (mi - mj) ** 2
        return divide_where(2 * cov, expected, vi + vj > 0)

    return statistic


def agreement_within(
    table: ContingencyTable, distance: int = 0, categories: Sequence[float] | None = None
) -> Statistic:
    """Return the share of items whose two grades are at most `distance` categories apart.

    0 is exact agreement, 1 adjacent. Not corrected for chance.
    """
    i, j = category_positions(table, categories)
    near = (np.abs(i - j) <= distance).astype(np.float64)

    def statistic(counts: Floats) -> Floats:
        shares: Floats = counts @ near / counts.sum(axis=1)
        return shares

    return statistic


def confusion_counts(table: ContingencyTable, categories: Sequence[float]) -> Floats:
    """Return [k, k] how often the first rater gave one category (rows) and the second another."""
    i, j = category_positions(table, categories)
    counts = np.zeros((len(categories), len(categories)))
    np.add.at(counts, (i.astype(int), j.astype(int)), table.counts)
    return counts


def chance_agreement(table: ContingencyTable, categories: Sequence[float]) -> float:
    """Return the exact agreement expected of independent raters with these margins."""
    shares = table.observed_counts[0] / table.observed_counts.sum()
    rows, columns = (
        np.bincount(position.astype(int), shares, len(categories))
        for position in category_positions(table, categories)
    )
    return float(rows @ columns)


def category_positions(
    table: ContingencyTable, categories: Sequence[float] | None
) -> tuple[Floats, Floats]:
    """Return [c], [c] positions of both grades of each cell among the categories, as floats.

    Raises:
        DataError: For a grade that is not a category, and for categories that do not ascend.
    """
    occurring = np.union1d(table.x, table.y)
    known = occurring if categories is None else np.asarray(categories, dtype=np.float64)
    if (np.diff(known) <= 0).any():
        raise DataError(f"categories {known.tolist()} do not ascend", "sort them, each once")
    if len(unknown := np.setdiff1d(occurring, known)):
        scale = ", ".join(f"{c:g}" for c in known)
        raise DataError(
            f"grade {unknown[0]:g} is not one of the categories {scale}", "name the whole scale"
        )
    i, j = np.searchsorted(known, table.x), np.searchsorted(known, table.y)
    return i.astype(np.float64), j.astype(np.float64)
