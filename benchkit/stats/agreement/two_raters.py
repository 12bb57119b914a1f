"""Agreement of two raters about the same items, and the items about which raters disagree."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import ArrayLike

from benchkit.stats.agreement import correlation, kappa
from benchkit.stats.agreement.contingency import (
    AgreementEstimate,
    ContingencyTable,
    Floats,
    Statistic,
    contingency_table,
)
from benchkit.stats.agreement.independence_test import (
    INDEPENDENCE_PERMUTATIONS,
    independence_p_values,
)
from benchkit.stats.agreement.rating_scale import nearest_category
from benchkit.stats.bootstrap import RESAMPLES
from benchkit.stats.grade_bootstrap import bca_intervals

PAIR_STATISTICS = ("kappa", "spearman", "kendall", "pearson", "exact", "adjacent")
_NAN = float("nan")


@dataclass(frozen=True, eq=False, slots=True)
class PairAgreement:
    """Two raters.

    n: items graded by both. missing: items without the first's grade only, without the second's
    only, without either. estimates: by the names of `PAIR_STATISTICS`. categories: of the scale, or
    None where grades are not on one. confusion: [k, k] counts, rows the first rater's; or None.
    n_rounded: items of which a grade stands between two categories. exact_by_chance: exact agreement
    expected of raters with these margins who know nothing of each other; NaN without a scale.
    """

    n: int
    missing: tuple[int, int, int]
    estimates: Mapping[str, AgreementEstimate]
    categories: tuple[float, ...] | None = None
    confusion: Floats | None = field(default=None, repr=False)
    n_rounded: int = 0
    exact_by_chance: float = _NAN


@dataclass(frozen=True, slots=True)
class Disagreement:
    """An item (its row) whose grades differ by `gap`, from `lowest` to `highest`."""

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
    """All statistics of two raters' grades `a`, `b` [n], NaN where missing.

    kappa: quadratic weights. exact, adjacent: shares of equal grades, and of grades at most one
    category apart. These three and the confusion matrix need `categories`, of which a grade counts
    as the nearest (halves up); correlations take grades as they are.
    clusters: [n] items resampled together (answers to one question). weights: [n] how many items
    of a population each stands for (1 / inclusion probability); the statistics are then estimates
    of those of the population, while counts and p are of the items as they are. Intervals: BCa
    bootstrap over items (`bca_intervals`). p: two-sided, the second rater's grades
    shuffled (`independence_p_values`); none for `exact` and `adjacent`: test kappa instead.
    Raises DataError for grades that are not on the scale.
    """
    table = contingency_table(a, b, clusters, weights)
    reason = _undefined(table)
    if not table.n:
        nothing = dict.fromkeys(PAIR_STATISTICS, AgreementEstimate(_NAN, reason=reason))
        return PairAgreement(table.n, table.missing, nothing)
    scaled = None if categories is None else _on(table, categories)
    statistics = _statistics(table, scaled, categories)
    limits = bca_intervals(
        statistics, table.cell, table.cluster, table.weight,
        level=level, resamples=resamples, seed=seed,
    )  # fmt: skip
    places = None if scaled is None else kappa.category_positions(scaled, categories)
    chances = independence_p_values(table, places, permutations, seed)
    estimates = dict.fromkeys(
        PAIR_STATISTICS, AgreementEstimate(_NAN, reason="grades are on no scale of categories")
    )
    for name, statistic in statistics.items():
        value = float(statistic(table.observed_counts)[0])
        low, high, why = limits[name]
        if np.isnan(value):
            estimates[name] = AgreementEstimate(_NAN, reason=reason or "both raters are constant")
        else:
            estimates[name] = AgreementEstimate(value, low, high, chances.get(name, _NAN), why)
    if scaled is None or categories is None:
        return PairAgreement(table.n, table.missing, estimates)
    counts = kappa.confusion_counts(scaled, categories)
    moved = (scaled.x != table.x) | (scaled.y != table.y)
    rounded = int(table.counts[moved].sum())
    chance = kappa.chance_agreement(scaled, categories)
    return PairAgreement(
        table.n, table.missing, estimates, tuple(categories), counts, rounded, chance
    )


def find_disagreements(grades: ArrayLike, gap: float = 4.0) -> list[Disagreement]:
    """Items of `grades` [n, raters] whose highest and lowest grade differ by more than `gap`.

    NaN where missing. Widest first, then in the order of the rows. The default is for a scale of
    seven points: such items go to the raters for consensus (C-APO, appendix).

    >>> find_disagreements([[1, 6, 2], [1, 5, float("nan")]])
    [Disagreement(row=0, gap=5.0, lowest=1.0, highest=6.0)]
    """
    table = np.asarray(grades, dtype=np.float64)
    there = ~np.isnan(table)
    lowest = np.where(there, table, np.inf).min(axis=1, initial=np.inf)
    highest = np.where(there, table, -np.inf).max(axis=1, initial=-np.inf)
    gaps = highest - lowest
    rows = np.flatnonzero(gaps > gap + 1e-9)
    rows = rows[np.argsort(-gaps[rows], kind="stable")]
    return [Disagreement(int(r), float(gaps[r]), float(lowest[r]), float(highest[r])) for r in rows]


def _on(table: ContingencyTable, categories: Sequence[float]) -> ContingencyTable:
    """The table with each grade as its nearest category; the cells stay as they are."""
    known = np.asarray(categories, dtype=np.float64)
    x, y = (known[nearest_category(side, categories).astype(int)] for side in (table.x, table.y))
    return replace(table, x=x, y=y)


def _statistics(
    table: ContingencyTable, scaled: ContingencyTable | None, categories: Sequence[float] | None
) -> dict[str, Statistic]:
    found = {
        "spearman": correlation.spearman(table),
        "kendall": correlation.kendall(table),
        "pearson": correlation.pearson(table),
    }
    if scaled is None:
        return found
    return {
        **found,
        "kappa": kappa.quadratic_kappa(scaled, categories),
        "exact": kappa.agreement_within(scaled, 0, categories),
        "adjacent": kappa.agreement_within(scaled, 1, categories),
    }


def _undefined(table: ContingencyTable) -> str:
    """Why correlations (kappa, where both are constant) are undefined, or nothing."""
    if not table.n:
        return "no item was graded by both"
    constant = [not table.row_codes.any(), not table.column_codes.any()]
    if all(constant):
        return "both raters are constant"
    if any(constant):
        return f"the {'first' if constant[0] else 'second'} rater is constant"
    return ""
