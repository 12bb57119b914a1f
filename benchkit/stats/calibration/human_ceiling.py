"""The agreement of people with each other beside that of a judge with them.

No judge can be expected to agree with people more than these do with each other. All figures are
means over pairs, of two people or of the judge and a person, on the answers that both graded.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from benchkit.stats.agreement.contingency import (
    AgreementEstimate,
    divide_where,
    encode_clusters,
    nonuniform_weights,
)
from benchkit.stats.agreement.mean_kappa import kappas_with_later
from benchkit.stats.agreement.rating_scale import nearest_category
from benchkit.stats.arrays import Bools, Floats
from benchkit.stats.bootstrap import RESAMPLES, bca_intervals

CEILING_STATISTICS = ("kappa", "exact", "adjacent")
PairValues = Callable[[Floats, Floats, Bools, int], Floats]


@dataclass(frozen=True)
class Ceiling:
    """One statistic of agreement."""

    statistic: str
    people: AgreementEstimate
    """Between people."""
    judge: AgreementEstimate
    """Between the judge and people."""
    difference: AgreementEstimate
    """The judge's minus people's."""


def measure_ceiling(
    people: ArrayLike,
    judge: ArrayLike,
    categories: Sequence[float],
    clusters: ArrayLike | None = None,
    weights: ArrayLike | None = None,
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> tuple[Ceiling, ...]:
    """Return the agreement of people [n, m] with each other, and with a judge [n].

    Statistics: quadratic-weighted kappa, the share of equal grades, and of grades at most one
    category apart. Intervals: BCa bootstrap over answers, or over `clusters` [n].
    """
    table = np.column_stack([np.asarray(judge, dtype=np.float64), np.asarray(people)])
    graded_rows = ~np.isnan(table[:, 0]) & (~np.isnan(table[:, 1:])).any(axis=1)
    table = table[graded_rows]
    if table.shape[1] < 3 or not len(table):
        return ()
    rows, cell = np.unique(table, axis=0, return_inverse=True)
    graded = ~np.isnan(rows)
    centred = nearest_category(rows, categories) - (len(categories) - 1) / 2
    grade = np.where(graded, centred, 0.0)

    def mean_of_judge(values: PairValues) -> Callable[[Floats], Floats]:
        return lambda counts: _mean_over_pairs([values(counts, grade, graded, 0)])

    def mean_of_people(values: PairValues) -> Callable[[Floats], Floats]:
        raters = range(1, rows.shape[1] - 1)
        return lambda counts: _mean_over_pairs([values(counts, grade, graded, r) for r in raters])

    functions: dict[str, Callable[[Floats], Floats]] = {}
    for name, values in _PAIR_VALUES.items():
        of_people, of_judge = mean_of_people(values), mean_of_judge(values)
        functions[f"{name} people"], functions[f"{name} judge"] = of_people, of_judge
        functions[f"{name} difference"] = _difference(of_judge, of_people)
    weight = None if weights is None else np.asarray(weights, dtype=np.float64)[graded_rows]
    weight = nonuniform_weights(weight)
    groups = encode_clusters(clusters, graded_rows)
    counts = np.bincount(cell, weight, len(rows))[None, :].astype(np.float64)
    intervals = bca_intervals(functions, cell, groups, weight, resamples=resamples, seed=seed)

    def estimate(name: str) -> AgreementEstimate:
        low, high, reason = intervals[name]
        return AgreementEstimate(float(functions[name](counts)[0]), low, high, reason=reason)

    return tuple(
        Ceiling(name, *(estimate(f"{name} {part}") for part in ("people", "judge", "difference")))
        for name in CEILING_STATISTICS
    )


def _difference(
    first: Callable[[Floats], Floats], second: Callable[[Floats], Floats]
) -> Callable[[Floats], Floats]:
    return lambda counts: first(counts) - second(counts)


def _mean_over_pairs(parts: Sequence[Floats]) -> Floats:
    """Return [m] means of [m, pairs] values over the pairs that have one."""
    values = np.concatenate(parts, axis=1)
    defined = (~np.isnan(values)).sum(axis=1)
    return divide_where(np.nansum(values, axis=1), defined.astype(np.float64), defined > 0)


def _kappas(counts: Floats, grade: Floats, graded: Bools, rater: int) -> Floats:
    return kappas_with_later(counts, grade, graded, rater)[0]


def _within(distance: float) -> PairValues:
    def shares(counts: Floats, grade: Floats, graded: Bools, rater: int) -> Floats:
        both = graded[:, [rater]] & graded[:, rater + 1 :]
        near = both & (np.abs(grade[:, [rater]] - grade[:, rater + 1 :]) <= distance)
        n = counts @ both.astype(np.float64)
        return divide_where(counts @ near.astype(np.float64), n, n > 0)

    return shares


_PAIR_VALUES: dict[str, PairValues] = {
    "kappa": _kappas, "exact": _within(0.0), "adjacent": _within(1.0),
}  # fmt: skip
