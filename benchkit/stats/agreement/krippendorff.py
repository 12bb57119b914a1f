"""Krippendorff's alpha: agreement of any number of raters, with missing grades."""

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike

from benchkit import seeds
from benchkit.errors import DataError
from benchkit.stats.agreement.contingency import (
    AgreementEstimate,
    Floats,
    Ints,
    Statistic,
    divide_where,
    mid_ranks,
)
from benchkit.stats.bootstrap import RESAMPLES
from benchkit.stats.grade_bootstrap import bca_intervals

AlphaMetric = Literal["nominal", "ordinal", "interval"]
ALPHA_METRICS: tuple[AlphaMetric, ...] = get_args(AlphaMetric)
ALPHA_PERMUTATIONS = 1_000
_CONSTANT = "all grades are the same"


@dataclass(frozen=True, eq=False, slots=True)
class PairableUnits:
    """The items with two grades or more.

    values: [v] distinct grades, ascending. counts: [u, v] grades of each item. kept: [u] its row.
    """

    values: Floats
    counts: Floats
    rows: Ints


def pairable_units(grades: ArrayLike) -> PairableUnits:
    """What can be paired in `grades` [n, raters], NaN where missing."""
    table = np.asarray(grades, dtype=np.float64)
    if table.ndim != 2:
        raise DataError(f"grades have shape {table.shape}", "give a row an item, a column a rater")
    kept = np.flatnonzero((~np.isnan(table)).sum(axis=1) >= 2)
    table = table[kept]
    values = np.unique(table[~np.isnan(table)])
    counts = np.zeros((len(kept), len(values)))
    rows, columns = np.nonzero(~np.isnan(table))
    np.add.at(counts, (rows, np.searchsorted(values, table[rows, columns])), 1)
    return PairableUnits(values, counts, kept)


def coincidence_matrix(found: PairableUnits) -> Floats:
    """[v, v] coincidence matrix: pairs of grades within items, an item of m grades weighing m.

    Krippendorff (2011), Computing Krippendorff's Alpha-Reliability, section C.
    """
    pairs = found.counts / (found.counts.sum(axis=1, keepdims=True) - 1)
    matrix: Floats = pairs.T @ found.counts - np.diag(pairs.sum(axis=0))
    return matrix


def krippendorff_alpha(grades: ArrayLike, metric: AlphaMetric = "ordinal") -> float:
    """Alpha of `grades` [n, raters], NaN where missing: 1 - observed / expected disagreement.

    From the coincidence matrix. Items with fewer than two grades cannot be paired and are left
    out. NaN if nothing is left or all grades are the same.
    """
    found = pairable_units(grades)
    matrix = coincidence_matrix(found)
    totals = matrix.sum(axis=0)
    n = float(totals.sum())
    distance = _distances(found.values, totals, metric)
    expected = float(totals @ distance @ totals)
    return 1 - (n - 1) * float((matrix * distance).sum()) / expected if expected > 0 else np.nan


def _distances(values: Floats, totals: Floats, metric: AlphaMetric) -> Floats:
    """[v, v] squared distances between grades."""
    if metric == "nominal":
        return 1 - np.eye(len(values))
    # Grades from c to k, less half of those at either end, is the gap between their mid-ranks.
    scale = mid_ranks(totals[None, :])[0] if metric == "ordinal" else values
    gaps: Floats = (scale[:, None] - scale) ** 2
    return gaps


def alpha_estimates(
    grades: ArrayLike,
    clusters: ArrayLike | None = None,
    *,
    level: float = 0.95,
    resamples: int = RESAMPLES,
    permutations: int = ALPHA_PERMUTATIONS,
    seed: int = 0,
) -> dict[AlphaMetric, AgreementEstimate]:
    """Nominal, ordinal and interval alpha of `grades` [n, raters], with interval and p value.

    Interval: BCa bootstrap over items (over `clusters` [n], where items go together). p: share of
    1 + `permutations` in which alpha is at least as large when each rater's grades are shuffled
    over the items that the rater graded (one-sided, as only agreement is of interest). How often
    a rater gives each grade stays, so p is about which items get it, not about raters' levels.
    """
    found = pairable_units(grades)
    if not len(found.values):
        nothing = AgreementEstimate(float("nan"), reason="no item has two grades")
        return dict.fromkeys(ALPHA_METRICS, nothing)
    if len(found.values) == 1:
        return dict.fromkeys(ALPHA_METRICS, AgreementEstimate(float("nan"), reason=_CONSTANT))
    patterns, cell = np.unique(found.counts, axis=0, return_inverse=True)
    statistics = _statistics(found.values, patterns)
    groups = None
    if clusters is not None:
        groups = np.unique(np.asarray(clusters)[found.rows], return_inverse=True)[1]
    limits = bca_intervals(statistics, cell, groups, level=level, resamples=resamples, seed=seed)
    table = np.asarray(grades, dtype=np.float64)[found.rows]
    chances = _p_values(table, found, permutations, seed)
    return {
        m: AgreementEstimate(
            krippendorff_alpha(table, m),
            limits[m].low,
            limits[m].high,
            chances[m],
            limits[m].reason,
        )
        for m in ALPHA_METRICS
    }


def _statistics(values: Floats, patterns: Floats) -> dict[str, Statistic]:
    return {metric: _statistic(values, patterns, metric) for metric in ALPHA_METRICS}


def _statistic(values: Floats, patterns: Floats, metric: AlphaMetric) -> Statistic:
    """Alpha of items with grades `patterns` [cells, v], given how often each comes.

    Sums of squared gaps come from the first two moments of the grades on their scale, so that no
    resample needs a coincidence matrix.
    """
    sizes = patterns.sum(axis=1)
    differing = (sizes**2 - (patterns**2).sum(axis=1)) / (sizes - 1)  # ordered pairs, an item

    def statistic(weights: Floats) -> Floats:
        totals = weights @ patterns
        n = totals.sum(axis=1)
        if metric == "nominal":
            observed = weights @ differing
            expected = n**2 - (totals**2).sum(axis=1)
        else:
            scale = values - values.mean() if metric == "interval" else mid_ranks(totals)
            scale = scale - (totals * scale).sum(axis=1, keepdims=True) / n[:, None]
            first, second = scale @ patterns.T, scale**2 @ patterns.T
            observed = (weights * 2 * (sizes * second - first**2) / (sizes - 1)).sum(axis=1)
            expected = 2 * n * (totals * scale**2).sum(axis=1)
        defined = (totals > 0).sum(axis=1) > 1
        found: Floats = 1 - (n - 1) * divide_where(observed, expected, defined)
        return found

    return statistic


def _p_values(
    grades: Floats, found: PairableUnits, permutations: int, seed: int
) -> dict[AlphaMetric, float]:
    """Shuffling leaves expected disagreement as it is, so observed disagreement is compared."""
    rng = seeds.generator("alpha-permutation", seed, len(grades))
    matrix = coincidence_matrix(found)
    totals = matrix.sum(axis=0)
    distances = [_distances(found.values, totals, metric) for metric in ALPHA_METRICS]
    there = ~np.isnan(grades)
    codes = np.where(there, np.searchsorted(found.values, grades), 0)
    weight = 1 / (there.sum(axis=1) - 1)
    raters = [np.flatnonzero(column) for column in there.T]
    pairs = [
        (a, b, np.flatnonzero(there[:, a] & there[:, b]))
        for a in range(grades.shape[1])
        for b in range(a)
    ]

    def disagreement() -> Floats:
        counts = np.zeros_like(matrix)
        for a, b, both in pairs:
            np.add.at(counts, (codes[both, a], codes[both, b]), weight[both])
        return np.array([(counts * distance).sum() for distance in distances])

    observed = disagreement() * (1 + 1e-9)
    hits = np.zeros(len(ALPHA_METRICS))
    for _ in range(permutations):
        for rater, rows in enumerate(raters):
            codes[rows, rater] = rng.permutation(codes[rows, rater])
        hits += disagreement() <= observed
    chances = (1 + hits) / (1 + permutations)
    return {metric: float(p) for metric, p in zip(ALPHA_METRICS, chances, strict=True)}
