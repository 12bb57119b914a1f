"""Mean of all raters' pairwise quadratic-weighted kappas."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from benchkit.stats.agreement.contingency import (
    AgreementEstimate,
    divide_where,
    encode_clusters,
    nonuniform_weights,
)
from benchkit.stats.agreement.correlation import TINY
from benchkit.stats.agreement.rating_scale import nearest_category
from benchkit.stats.arrays import Bools, Floats
from benchkit.stats.bootstrap import RESAMPLES, bca_intervals


def mean_kappa(
    grades: ArrayLike,
    categories: Sequence[float],
    clusters: ArrayLike | None = None,
    weights: ArrayLike | None = None,
    *,
    level: float = 0.95,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> AgreementEstimate:
    """Return the mean QWK over the pairs of raters of `grades` [n, raters], NaN where missing.

    A pair counts with the items that both graded. Pairs whose kappa is undefined (no item in
    common, or both raters constant) are left out; `reason` counts them. Interval: BCa bootstrap
    over items (over `clusters` [n], where items go together).
    weights: [n] how many items of a population each stands for.
    """
    table = np.asarray(grades, dtype=np.float64)
    rows, cell = np.unique(table, axis=0, return_inverse=True)
    graded = ~np.isnan(rows)
    centred = nearest_category(rows, categories) - (len(categories) - 1) / 2
    grade = np.where(graded, centred, 0.0)

    def statistic(counts: Floats) -> Floats:
        total, defined = np.zeros(len(counts)), np.zeros(len(counts))
        for rater in range(rows.shape[1] - 1):
            kappas, _ = kappas_with_later(counts, grade, graded, rater)
            total += np.nansum(kappas, axis=1)
            defined += (~np.isnan(kappas)).sum(axis=1)
        return divide_where(total, defined, defined > 0)

    weight = nonuniform_weights(weights)
    counts = np.bincount(cell, weight, len(rows))[None, :].astype(np.float64)
    skipped = _describe_undefined(counts, grade, graded)
    value = float(statistic(counts)[0])
    if np.isnan(value):
        return AgreementEstimate(value, reason=skipped)
    groups = encode_clusters(clusters, slice(None))
    low, high, reason = bca_intervals(
        {"mean": statistic}, cell, groups, weight, level=level, resamples=resamples, seed=seed
    )["mean"]
    reason = "; ".join(part for part in (skipped, reason) if part)
    return AgreementEstimate(value, low, high, reason=reason)


def kappas_with_later(
    counts: Floats, grade: Floats, graded: Bools, rater: int
) -> tuple[Floats, Bools]:
    """Return [m, k] kappas of a rater with each of the k raters behind it, NaN where undefined,
    and whether there are items that both graded.

    Args:
        counts: [m, cells] how often each row of grades occurs.
        grade: [cells, raters] positions on the scale, 0 where missing.
        graded: [cells, raters] where there is a grade.
        rater: Column of the rater.
    """
    both = (graded[:, [rater]] & graded[:, rater + 1 :]).astype(np.float64)
    x, y = grade[:, [rater]] * both, grade[:, rater + 1 :] * both
    n = counts @ both
    common = n > 0
    sums = (counts @ part for part in (x, y, x * x, y * y, x * y))
    mx, my, xx, yy, xy = (total / np.where(common, n, 1.0) for total in sums)
    vx, vy = xx - mx**2, yy - my**2
    varied = (vx > TINY * xx) | (vy > TINY * yy)
    return divide_where(2 * (xy - mx * my), vx + vy + (mx - my) ** 2, common & varied), common


def _describe_undefined(counts: Floats, grade: Floats, graded: Bools) -> str:
    """Return how many pairs have no kappa, and why; or nothing."""
    n_raters = grade.shape[1]
    n_pairs, n_apart, n_constant = n_raters * (n_raters - 1) // 2, 0, 0
    for rater in range(n_raters - 1):
        kappas, common = kappas_with_later(counts, grade, graded, rater)
        n_apart += int((~common).sum())
        n_constant += int((common & np.isnan(kappas)).sum())
    causes = []
    if n_apart:
        causes.append(f"{n_apart} have no item in common")
    if n_constant:
        causes.append(f"in {n_constant} both raters are constant")
    if not causes:
        return ""
    n_defined = n_pairs - n_apart - n_constant
    start = f"mean of {n_defined} of {n_pairs} pairs of raters" if n_defined else "no pair has one"
    return f"{start}: {' and '.join(causes)}"
