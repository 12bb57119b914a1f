"""Measure the agreement of raters, whether people or judges."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from benchkit.errors import ConfigError
from benchkit.report.agreement.ratings_io import RatingsTable
from benchkit.report.agreement.scale_checks import (
    compare_ranges,
    describe_no_grade_signs,
    refuse_grades_off_scale,
    refuse_lone_grades,
    refuse_no_grade_signs,
)
from benchkit.stats.agreement.contingency import AgreementEstimate
from benchkit.stats.agreement.icc import ICC, intraclass_correlation
from benchkit.stats.agreement.krippendorff import alpha_estimates
from benchkit.stats.agreement.mean_kappa import mean_kappa
from benchkit.stats.agreement.rating_scale import infer_scale, parse_scale
from benchkit.stats.agreement.system_agreement import (
    system_level_correlations,
    within_item_correlations,
)
from benchkit.stats.agreement.two_raters import (
    Disagreement,
    PairAgreement,
    find_disagreements,
    pair_agreement,
)

REFERENCE_MEAN = "reference mean"
PairChoice = Literal["none", "reference", "all"]
_MAX_PAIRS = 45  # those of ten raters; more take minutes, and hardly anybody reads them
_NO_SCALE = AgreementEstimate(float("nan"), reason="grades are on no scale of categories")


@dataclass(frozen=True, eq=False, slots=True)
class RaterPair:
    """The agreement of two raters."""

    first: str
    second: str
    item_level: PairAgreement
    n_systems: int = 0
    """Systems with grades by both; the fields below are None where ratings name no systems."""
    system_level: Mapping[str, AgreementEstimate] | None = None
    within_item: Mapping[str, AgreementEstimate] | None = None
    within_item_counts: Mapping[str, int] | None = None
    """Items behind each within-item correlation."""


@dataclass(frozen=True, eq=False, slots=True)
class RaterGroup:
    """The agreement of several raters together."""

    name: str
    raters: tuple[str, ...]
    n_items: int
    """Items with two grades or more."""
    n_single: int
    """Items with one grade."""
    n_ungraded: int
    alphas: Mapping[str, AgreementEstimate]
    icc: ICC
    kappa: AgreementEstimate | None
    """Mean over all pairs; None for a single pair."""


@dataclass(frozen=True, eq=False, slots=True)
class AgreementReport:
    """What `benchkit agree` reports.

    With weights, pairs, mean kappa and means of systems are weighted; alphas, ICC, p, counts and
    correlations within items are not.
    """

    ratings: RatingsTable
    categories: tuple[float, ...] | None
    """None where grades are not on a scale of categories."""
    scale_inferred: bool
    """Whether the scale was inferred from the grades."""
    reference: tuple[str, ...]
    """The raters with whom the others are compared."""
    groups: tuple[RaterGroup, ...]
    pairs: tuple[RaterPair, ...]
    annotators: tuple[str, ...]
    """The raters whose disagreements are listed."""
    gap: float
    """Grades farther apart than this are a disagreement."""
    disagreements: tuple[Disagreement, ...]
    n_pairs_left_out: int = 0
    """Pairs of raters that were not compared."""
    caveats: tuple[str, ...] = ()
    """What a reader must know of the grades."""
    common_scale: bool = True
    """Whether raters grade on one scale; otherwise there are correlations of pairs alone."""

    @property
    def weighted(self) -> bool:
        """Whether answers represent different numbers of answers."""
        return self.ratings.weights is not None


def measure_agreement(
    ratings: RatingsTable,
    reference: Sequence[str] = (),
    categories: Sequence[float] | None = None,
    gap: float | None = None,
    seed: int = 0,
    pair_choice: PairChoice | None = None,
    common_scale: bool = True,
) -> AgreementReport:
    """Compare all raters with each other, or with a reference.

    Args:
        ratings: Grades by at least two raters.
        reference: One rater, with whom the others are compared; or several, such as people: then
            the others are compared with the mean of those who graded the item, and the several
            with each other.
        categories: The scale; by default the one that `ratings` names, else whole numbers from the
            lowest grade to the highest.
        gap: Report items whose grades are farther apart; by default two thirds of the scale, which
            is 4 for grades of 1 to 7.
        seed: Of resampling and permutation.
        pair_choice: Which pairs of raters get statistics of their own: `none`; `reference`, those
            with the reference; or `all`, that is, without a reference every two raters, and with
            one also its raters with each other. By default all up to 45 pairs, and above those
            with the reference, if there is one. Statistics of all raters together, such as alpha,
            do not depend on it.
        common_scale: Whether all raters grade on one scale. If not, there are correlations of pairs
            alone: no kappa, alpha, ICC or disagreements, and no mean of several references.

    Raises:
        ConfigError: Fewer than two raters, an unknown reference, no reference although pairs with
            it are asked for, several scales, or what needs a common scale without one.
        DataError: No item has two grades, a grade is off the scale that is named, or without one
            raters hardly grade on one scale, or a grade may stand for none.
    """
    if not common_scale and (gap is not None or len(reference) > 1):
        raise ConfigError(
            "grades on different scales have neither distances (--gap) nor means over raters"
            " (several references)",
            "leave out --gap and name one reference, or name the common scale",
        )
    if gap is not None and not 0 <= gap < math.inf:
        raise ConfigError(f"{gap} is no distance of grades (--gap)", "give a number from 0 on")
    if len(ratings.raters) < 2:
        raise ConfigError(
            f"agreement needs two raters; the grades are all by {ratings.raters[0]!r}",
            "add another file, or name the column of raters with --rater",
        )
    for name in reference:
        if name not in ratings.raters:
            raise ConfigError(f"no rater {name!r}", f"choose among: {', '.join(ratings.raters)}")
    refuse_lone_grades(ratings)
    named = tuple(categories) if categories else None
    if named is None and common_scale:
        named = _named_scale(ratings)
    scale = named or (infer_scale(ratings.grades) if common_scale else None)
    caveats = _check_scale(ratings, named, common_scale)
    if gap is None:
        gap = _wide(scale or ratings.grades)
    others = [rater for rater in ratings.raters if rater not in reference]
    groups = [_group("all raters", ratings, scale, seed)] if common_scale else []
    annotators = tuple(reference) if len(reference) > 1 else ratings.raters
    all_pairs = _name_pairs(ratings.raters, reference, "all")
    if pair_choice is None:
        pair_choice = _choose_pairs(len(all_pairs), reference)
    pairs = _name_pairs(ratings.raters, reference, pair_choice)
    with_mean = _add_reference_mean(ratings, reference)
    if len(reference) > 1 and others:
        groups.insert(0, _group("reference", ratings.select_raters(reference), scale, seed))
    disagreements = (
        find_disagreements(ratings.select_raters(annotators).grades, gap) if common_scale else []
    )
    return AgreementReport(
        ratings, scale, named is None, tuple(reference), tuple(groups),
        tuple(_pair(with_mean, a, b, scale, seed) for a, b in pairs), annotators, gap,
        tuple(disagreements), len(all_pairs) - len(pairs), caveats, common_scale,
    )  # fmt: skip


def _check_scale(
    ratings: RatingsTable, named: Sequence[float] | None, common_scale: bool
) -> tuple[str, ...]:
    """Return caveats of the grades. Raises DataError where they are on no common scale."""
    if not common_scale:
        return tuple(describe_no_grade_signs(ratings))
    if named is not None:
        refuse_grades_off_scale(ratings, named)
        return ()
    refuse_no_grade_signs(ratings)
    return compare_ranges(ratings)


def _named_scale(ratings: RatingsTable) -> tuple[float, ...] | None:
    scales = {parse_scale(text) for text in ratings.scales}
    if len(scales) > 1:
        raise ConfigError(
            f"the grades are on several scales ({', '.join(ratings.scales)})",
            "give files of one scale, name it with --scale, or measure correlations alone"
            " (--scale none)",
        )
    return next(iter(scales), None)


def _wide(grades: ArrayLike) -> float:
    """Return two thirds of the range: C-APO seeks consensus beyond 4 on a scale of 1 to 7."""
    values = np.asarray(grades, dtype=np.float64)
    values = values[~np.isnan(values)]
    return float(np.ptp(values)) * 2 / 3 if values.size else 0.0


def _choose_pairs(n_pairs: int, reference: Sequence[str]) -> PairChoice:
    """Return which pairs are compared if nothing is said."""
    if n_pairs <= _MAX_PAIRS:
        return "all"
    return "reference" if reference else "none"


def _name_pairs(
    raters: Sequence[str], reference: Sequence[str], choice: PairChoice
) -> list[tuple[str, str]]:
    """Return the pairs of raters that are compared; several references as their mean."""
    if choice == "none":
        return []
    if not reference:
        if choice == "reference":
            raise ConfigError("there is no reference for --pairs reference", "name --reference")
        return list(combinations(raters, 2))
    first = reference[0] if len(reference) == 1 else REFERENCE_MEAN
    pairs = [(first, rater) for rater in raters if rater not in reference]
    return pairs + (list(combinations(reference, 2)) if choice == "all" else [])


def _add_reference_mean(ratings: RatingsTable, reference: Sequence[str]) -> RatingsTable:
    """Return the ratings with the mean of several references as one more rater."""
    if len(reference) < 2:
        return ratings
    grades = ratings.select_raters(reference).grades
    n_grades = (~np.isnan(grades)).sum(axis=1)
    means = np.nansum(grades, axis=1) / np.where(n_grades, n_grades, np.nan)
    return replace(
        ratings,
        raters=(*ratings.raters, REFERENCE_MEAN),
        grades=np.column_stack([ratings.grades, means]),
    )


def _pair(
    ratings: RatingsTable, first: str, second: str, scale: Sequence[float] | None, seed: int
) -> RaterPair:
    pair_ratings = ratings.select_raters([first, second])
    a, b = pair_ratings.grades.T
    sample = pair_agreement(
        a, b, scale, pair_ratings.resampling_units, pair_ratings.weights, seed=seed
    )
    questions = pair_ratings.questions
    if pair_ratings.systems is None or questions is None or pair_ratings.resampling_units is None:
        return RaterPair(first, second, sample)
    within, used = within_item_correlations(
        a, b, questions, pair_ratings.resampling_units, seed=seed
    )
    by_system, systems = system_level_correlations(
        a, b, pair_ratings.systems, pair_ratings.resampling_units, pair_ratings.weights, seed=seed
    )
    return RaterPair(first, second, sample, systems, by_system, within, used)


def _group(
    name: str, ratings: RatingsTable, scale: Sequence[float] | None, seed: int
) -> RaterGroup:
    graded = (~np.isnan(ratings.grades)).sum(axis=1)
    kappa = None
    if len(ratings.raters) > 2:
        kappa = _NO_SCALE
        if scale is not None:
            kappa = mean_kappa(
                ratings.grades, scale, ratings.resampling_units, ratings.weights, seed=seed
            )
    return RaterGroup(
        name=name,
        raters=ratings.raters,
        n_items=int((graded >= 2).sum()),
        n_single=int((graded == 1).sum()),
        n_ungraded=int((graded == 0).sum()),
        alphas=_alphas(ratings, scale, seed),
        icc=intraclass_correlation(ratings.grades, ratings.resampling_units, seed=seed),
        kappa=kappa,
    )


def _alphas(
    ratings: RatingsTable, scale: Sequence[float] | None, seed: int
) -> dict[str, AgreementEstimate]:
    alphas = {
        str(m): e
        for m, e in alpha_estimates(ratings.grades, ratings.resampling_units, seed=seed).items()
    }
    if scale is None:  # continuous grades are hardly ever equal, which says nothing
        alphas["nominal"] = _NO_SCALE
    return alphas
