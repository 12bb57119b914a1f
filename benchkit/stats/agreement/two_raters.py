"""Agreement of two raters about the same items, and the items about which raters disagree."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import ArrayLike

from benchkit.stats.agreement import correlation, kappa
from benchkit.stats.agreement.contingency import (
    AgreementEstimate,
    ContingencyTable,
    contingency_table,
)
from benchkit.stats.agreement.independence_test import (
    INDEPENDENCE_PERMUTATIONS,
    independence_p_values,
)
from benchkit.stats.agreement.rating_scale import nearest_category
from benchkit.stats.arrays import Floats
from benchkit.stats.bootstrap import RESAMPLES, bca_intervals

PAIR_STATISTICS = ("kappa", "spearman", "kendall", "pearson", "exact", "adjacent")
_NAN = float("nan")


@dataclass(frozen=True, eq=False, slots=True)
class PairAgreement:
    """How two raters agree."""

    n: int
    """Items graded by both."""
    missing: tuple[int, int, int]
    """Items without the first's grade only, without the second's only, without either."""
    estimates: Mapping[str, AgreementEstimate]
    """Estimates by the names of `PAIR_STATISTICS`."""
    categories: tuple[float, ...] | None = None
    """Categories of the scale; None where grades are not on one."""
    confusion: Floats | None = field(default=None, repr=False)
    """[k, k] counts, rows the first rater's; None without a scale."""
    n_rounded: int = 0
    """Items of which a grade is between two categories."""
    exact_by_chance: float = _NAN
    """Exact agreement expected of independent raters with these margins; NaN without a scale."""


@dataclass(frozen=True, slots=True)
class Disagreement:
    """An item whose grades differ by `gap`, from `lowest` to `highest`."""

    row: int
    gap: float
    lowest: float
    highest: float


def pair_agreement(
    a: ArrayLike,
    b: ArrayLike,
    categories: Sequence[float] | None = None,
    clusters: ArrayLike | None = None,
    weights: ArrayLike | None = None,
    *,
    level: float = 0.95,
    resamples: int = RESAMPLES,
    permutations: int = INDEPENDENCE_PERMUTATIONS,
    seed: int = 0,
) -> PairAgreement:
    """Return all statistics of two raters' grades `a`, `b` [n], NaN where missing.

    kappa has quadratic weights; exact and adjacent are the shares of equal grades, and of grades at
    most one category apart. These three and the confusion matrix need `categories`, of which a
    grade counts as the nearest (halves up); correlations take grades as they are. Intervals: BCa
    bootstrap over items (`bca_intervals`). p: two-sided, the second rater's grades shuffled
    (`independence_p_values`); none for `exact` and `adjacent`: test kappa instead.

    Args:
        a: [n] grades of the first rater.
        b: [n] grades of the second.
        categories: All grades of the scale, ascending.
        clusters: [n] items resampled together (answers to one question).
        weights: [n] how many items of a population each stands for (1 / inclusion probability); the
            statistics are then estimates of those of the population, while counts and p are of the
            items as they are.

    Raises:
        DataError: For grades that are not on the scale.
    """
    table = contingency_table(a, b, clusters, weights)
    reason = _undefined(table)
    if not table.n:
        undefined = dict.fromkeys(PAIR_STATISTICS, AgreementEstimate(_NAN, reason=reason))
        return PairAgreement(table.n, table.missing, undefined)
    statistics = {
        "spearman": correlation.spearman(table),
        "kendall": correlation.kendall(table),
        "pearson": correlation.pearson(table),
    }
    positions = None
    scaled = table
    if categories is not None:
        scaled = _round_to_scale(table, categories)
        positions = kappa.category_positions(scaled, categories)
        statistics["kappa"] = kappa.quadratic_kappa(scaled, categories)
        statistics["exact"] = kappa.agreement_within(scaled, 0, categories)
        statistics["adjacent"] = kappa.agreement_within(scaled, 1, categories)
    limits = bca_intervals(
        statistics, table.cell, table.cluster, table.weight,
        level=level, resamples=resamples, seed=seed,
    )  # fmt: skip
    p_values = independence_p_values(table, positions, permutations, seed)
    estimates = dict.fromkeys(
        PAIR_STATISTICS, AgreementEstimate(_NAN, reason="grades are on no scale of categories")
    )
    for name, statistic in statistics.items():
        value = float(statistic(table.observed_counts)[0])
        low, high, no_interval = limits[name]
        if np.isnan(value):
            estimates[name] = AgreementEstimate(_NAN, reason=reason or "both raters are constant")
        else:
            p = p_values.get(name, _NAN)
            estimates[name] = AgreementEstimate(value, low, high, p, no_interval)
    agreement = PairAgreement(table.n, table.missing, estimates)
    if categories is None:
        return agreement
    rounded = (scaled.x != table.x) | (scaled.y != table.y)
    return replace(
        agreement,
        categories=tuple(categories),
        confusion=kappa.confusion_counts(scaled, categories),
        n_rounded=int(table.counts[rounded].sum()),
        exact_by_chance=kappa.chance_agreement(scaled, categories),
    )


def find_disagreements(grades: ArrayLike, gap: float = 4.0) -> list[Disagreement]:
    """Return the items of `grades` [n, raters] whose highest and lowest differ by more than `gap`.

    NaN where missing. Widest first, then in the order of the rows. The default is for a scale of
    seven points: such items go to the raters for consensus (C-APO, appendix).

    >>> find_disagreements([[1, 6, 2], [1, 5, float("nan")]])
    [Disagreement(row=0, gap=5.0, lowest=1.0, highest=6.0)]
    """
    table = np.asarray(grades, dtype=np.float64)
    graded = ~np.isnan(table)
    lowest = np.where(graded, table, np.inf).min(axis=1, initial=np.inf)
    highest = np.where(graded, table, -np.inf).max(axis=1, initial=-np.inf)
    gaps = highest - lowest
    rows = np.flatnonzero(gaps > gap + 1e-9)
    rows = rows[np.argsort(-gaps[rows], kind="stable")]
    return [Disagreement(int(r), float(gaps[r]), float(lowest[r]), float(highest[r])) for r in rows]


def _round_to_scale(table: ContingencyTable, categories: Sequence[float]) -> ContingencyTable:
    """Return the table with each grade as its nearest category; the cells stay as they are."""
    known = np.asarray(categories, dtype=np.float64)
    x, y = (known[nearest_category(side, categories).astype(int)] for side in (table.x, table.y))
    return replace(table, x=x, y=y)


def _undefined(table: ContingencyTable) -> str:
    """Return why correlations (kappa, where both are constant) are undefined, or nothing."""
    if not table.n:
        return "no item was graded by both"
    constant = [not table.row_codes.any(), not table.column_codes.any()]
    if all(constant):
        return "both raters are constant"
    if any(constant):
        return f"the {'first' if constant[0] else 'second'} rater is constant"
    return ""
