"""Krippendorff's alpha: agreement of any number of raters, with missing grades."""

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike

from benchkit import seeds
from benchkit.errors import DataError
from benchkit.stats.agreement.contingency import (
    AgreementEstimate,
    divide_where,
    encode_clusters,
    mid_ranks,
)
from benchkit.stats.arrays import Floats, Ints, Statistic
from benchkit.stats.bootstrap import RESAMPLES, bca_intervals
from benchkit.stats.permutation_test import p_value_of_hits

AlphaMetric = Literal["nominal", "ordinal", "interval"]
ALPHA_METRICS: tuple[AlphaMetric, ...] = get_args(AlphaMetric)
ALPHA_PERMUTATIONS = 1_000


@dataclass(frozen=True, eq=False, slots=True)
class PairableUnits:
    """The items with two grades or more."""

    values: Floats
    """[v] distinct grades, ascending."""
    counts: Floats
    """[u, v] how often each item got each grade."""
    rows: Ints
    """[u] row of each item."""


def pairable_units(grades: ArrayLike) -> PairableUnits:
    """Return what can be paired in `grades` [n, raters], NaN where missing."""
    table = np.asarray(grades, dtype=np.float64)
    if table.ndim != 2:
        raise DataError(f"grades have shape {table.shape}", "give a row an item, a column a rater")
    rows = np.flatnonzero((~np.isnan(table)).sum(axis=1) >= 2)
    table = table[rows]
    values = np.unique(table[~np.isnan(table)])
    counts = np.zeros((len(rows), len(values)))
    item, rater = np.nonzero(~np.isnan(table))
    np.add.at(counts, (item, np.searchsorted(values, table[item, rater])), 1)
    return PairableUnits(values, counts, rows)


def coincidence_matrix(units: PairableUnits) -> Floats:
    """Return [v, v] pairs of grades within items, an item of m grades weighing m.

    Reference: Krippendorff (2011), Computing Krippendorff's Alpha-Reliability, section C.
    """
    pairs = units.counts / (units.counts.sum(axis=1, keepdims=True) - 1)
    matrix: Floats = pairs.T @ units.counts - np.diag(pairs.sum(axis=0))
    return matrix


def krippendorff_alpha(grades: ArrayLike, metric: AlphaMetric = "ordinal") -> float:
    """Return alpha of `grades` [n, raters], NaN where missing.

    Alpha is 1 - observed / expected disagreement. Items with fewer than two grades cannot be paired
    and are left out. NaN if nothing is left or all grades are the same.
    """
    units = pairable_units(grades)
    matrix = coincidence_matrix(units)
    totals = matrix.sum(axis=0)
    n = float(totals.sum())
    distance = _distances(units.values, totals, metric)
    expected = float(totals @ distance @ totals)
    return 1 - (n - 1) * float((matrix * distance).sum()) / expected if expected > 0 else np.nan


def _distances(values: Floats, totals: Floats, metric: AlphaMetric) -> Floats:
    """Return [v, v] squared distances between grades."""
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
    """Return nominal, ordinal and interval alpha of `grades` [n, raters], with intervals and p.

    Interval: BCa bootstrap over items (over `clusters` [n], where items go together). p: of an
    alpha at least as large when each rater's grades are shuffled over the items that the rater
    graded (one-sided, as only agreement is of interest). How often a rater gives each grade stays,
    so p is about which items get it, not about raters' levels.
    """
    units = pairable_units(grades)
    if len(units.values) < 2:
        reason = "all grades are the same" if len(units.values) else "no item has two grades"
        return dict.fromkeys(ALPHA_METRICS, AgreementEstimate(float("nan"), reason=reason))
    patterns, cell = np.unique(units.counts, axis=0, return_inverse=True)
    statistics: dict[str, Statistic] = {
        metric: _statistic(units.values, patterns, metric) for metric in ALPHA_METRICS
    }
    groups = encode_clusters(clusters, units.rows)
    limits = bca_intervals(statistics, cell, groups, level=level, resamples=resamples, seed=seed)
    table = np.asarray(grades, dtype=np.float64)[units.rows]
    p = dict(zip(ALPHA_METRICS, _p_values(table, units, permutations, seed), strict=True))
    return {
        m: AgreementEstimate(krippendorff_alpha(table, m), *limits[m][:2], p[m], limits[m].reason)
        for m in ALPHA_METRICS
    }


def _statistic(values: Floats, patterns: Floats, metric: AlphaMetric) -> Statistic:
    """Return alpha of items with grades `patterns` [cells, v], from how often each occurs.

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
        alpha: Floats = 1 - (n - 1) * divide_where(observed, expected, defined)
        return alpha

    return statistic


def _p_values(grades: Floats, units: PairableUnits, permutations: int, seed: int) -> list[float]:
    """Return a p value for each metric.

    Shuffling leaves expected disagreement as it is, so observed disagreement is compared.
    """
    rng = seeds.generator("alpha-permutation", seed, len(grades))
    matrix = coincidence_matrix(units)
    totals = matrix.sum(axis=0)
    distances = [_distances(units.values, totals, metric) for metric in ALPHA_METRICS]
    graded = ~np.isnan(grades)
    codes = np.where(graded, np.searchsorted(units.values, grades), 0)
    weight = 1 / (graded.sum(axis=1) - 1)
    raters = [np.flatnonzero(column) for column in graded.T]
    pairs = [
        (a, b, np.flatnonzero(graded[:, a] & graded[:, b]))
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
    p_values: list[float] = p_value_of_hits(hits, permutations).tolist()
    return p_values
