"""Agreement of raters, people and judges alike: which statistics of which raters a report holds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
from numpy.typing import ArrayLike

from benchkit.errors import ConfigError
from benchkit.report.grade_sheets import Sheet
from benchkit.stats.agreement import Disagreement, PairAgreement, disagreements, pair_agreement
from benchkit.stats.grades import Estimate
from benchkit.stats.icc import ICC, icc
from benchkit.stats.krippendorff import alphas
from benchkit.stats.mean_kappa import mean_kappa
from benchkit.stats.scale import inferred_scale, scale_of
from benchkit.stats.system_agreement import system_level, within_items

MEAN = "reference mean"
_NO_SCALE = Estimate(float("nan"), reason="grades are on no scale of categories")


@dataclass(frozen=True, eq=False, slots=True)
class Pair:
    """Two raters; where several systems answer the items, by systems and within items too.

    systems: how many have grades by both. used: items of each within-item correlation.
    """

    first: str
    second: str
    sample: PairAgreement
    systems: int = 0
    by_system: Mapping[str, Estimate] | None = None
    within: Mapping[str, Estimate] | None = None
    used: Mapping[str, int] | None = None


@dataclass(frozen=True, eq=False, slots=True)
class Group:
    """Raters together. items: with two grades or more; single: with one; none: without.

    kappa: the mean of all pairs; None for one pair, which says it itself.
    """

    name: str
    raters: tuple[str, ...]
    items: int
    single: int
    none: int
    alphas: Mapping[str, Estimate]
    icc: ICC
    kappa: Estimate | None


@dataclass(frozen=True, eq=False, slots=True)
class AgreementReport:
    """What `benchkit agree` says. categories: None where grades are on no scale; `inferred` from
    the grades if none was named. reference: the raters that the others are compared with.
    apart: the items on which `annotators` are more than `gap` apart. With weights in the sheet,
    pairs, mean kappa and means of systems are weighted; alphas, ICC, p, counts and what is within
    items are not."""

    sheet: Sheet
    categories: tuple[float, ...] | None
    inferred: bool
    reference: tuple[str, ...]
    groups: tuple[Group, ...]
    pairs: tuple[Pair, ...]
    annotators: tuple[str, ...]
    gap: float
    apart: tuple[Disagreement, ...]

    @property
    def weighted(self) -> bool:
        """Whether answers stand for different numbers of answers."""
        return self.sheet.weights is not None


def assess(
    sheet: Sheet,
    reference: Sequence[str] = (),
    categories: Sequence[float] | None = None,
    gap: float | None = None,
    seed: int = 0,
) -> AgreementReport:
    """Compare all raters of `sheet` with each other, or with a `reference`.

    One rater as reference: each other rater beside it. Several (people): each other rater
    beside the mean of the reference raters who graded the item (`MEAN`), and these among
    each other.
    categories: the scale; by default the one that the sheet names, else whole numbers from the
    lowest grade to the highest. gap: by default two thirds of the scale: 4 on one of seven points.
    Raises ConfigError for fewer than two raters, an unknown reference, or several scales.
    """
    if len(sheet.raters) < 2:
        raise ConfigError(
            f"agreement needs two raters; the grades are all by {sheet.raters[0]!r}",
            "give another file, or name the column that says who graded (--rater)",
        )
    for name in reference:
        if name not in sheet.raters:
            raise ConfigError(f"no rater {name!r}", f"there are {', '.join(sheet.raters)}")
    named = tuple(categories) if categories else _named_scale(sheet)
    scale = named or inferred_scale(sheet.grades)
    if gap is None:
        gap = _wide(scale or sheet.grades)
    others = [rater for rater in sheet.raters if rater not in reference]
    groups = [_group("all raters", sheet, scale, seed)]
    annotators = tuple(reference) if len(reference) > 1 else sheet.raters
    if len(reference) > 1 and others:
        groups.insert(0, _group("reference", sheet.only(reference), scale, seed))
    found = disagreements(sheet.only(annotators).grades, gap)
    return AgreementReport(
        sheet, scale, named is None, tuple(reference), tuple(groups),
        tuple(_pairs(sheet, reference, others, scale, seed)), annotators, gap, tuple(found),
    )  # fmt: skip


def _named_scale(sheet: Sheet) -> tuple[float, ...] | None:
    found = {scale_of(text) for text in sheet.scales}
    if len(found) > 1:
        raise ConfigError(
            f"the grades are on several scales ({', '.join(sheet.scales)})",
            "give files of one scale, or name it with --scale",
        )
    return next(iter(found), None)


def _wide(grades: ArrayLike) -> float:
    """C-APO calls for consensus where grades of 1 to 7 are more than 4 apart."""
    values = np.asarray(grades, dtype=np.float64)
    values = values[~np.isnan(values)]
    return float(np.ptp(values)) * 2 / 3 if values.size else 0.0


def _pairs(
    sheet: Sheet,
    reference: Sequence[str],
    others: Sequence[str],
    scale: Sequence[float] | None,
    seed: int,
) -> list[Pair]:
    if not reference:
        return [_pair(sheet, a, b, scale, seed) for a, b in combinations(sheet.raters, 2)]
    if len(reference) == 1:
        return [_pair(sheet, reference[0], other, scale, seed) for other in others]
    grades = sheet.only(reference).grades
    there = (~np.isnan(grades)).sum(axis=1)
    means = np.nansum(grades, axis=1) / np.where(there, there, np.nan)
    wider = replace(
        sheet, raters=(*sheet.raters, MEAN), grades=np.column_stack([sheet.grades, means])
    )
    return [
        *(_pair(wider, MEAN, other, scale, seed) for other in others),
        *(_pair(sheet, a, b, scale, seed) for a, b in combinations(reference, 2)),
    ]


def _pair(sheet: Sheet, first: str, second: str, scale: Sequence[float] | None, seed: int) -> Pair:
    own = sheet.only([first, second])
    a, b = own.grades.T
    sample = pair_agreement(a, b, scale, own.together, own.weights, seed=seed)
    if own.systems is None or own.together is None:
        return Pair(first, second, sample)
    within, used = within_items(a, b, own.together, seed=seed)
    by_system, systems = system_level(a, b, own.systems, own.together, own.weights, seed=seed)
    return Pair(first, second, sample, systems, by_system, within, used)


def _group(name: str, sheet: Sheet, scale: Sequence[float] | None, seed: int) -> Group:
    graded = (~np.isnan(sheet.grades)).sum(axis=1)
    kappa = None
    if len(sheet.raters) > 2:
        kappa = _NO_SCALE
        if scale is not None:
            kappa = mean_kappa(sheet.grades, scale, sheet.together, sheet.weights, seed=seed)
    return Group(
        name=name,
        raters=sheet.raters,
        items=int((graded >= 2).sum()),
        single=int((graded == 1).sum()),
        none=int((graded == 0).sum()),
        alphas=_alphas(sheet, scale, seed),
        icc=icc(sheet.grades, sheet.together, seed=seed),
        kappa=kappa,
    )


def _alphas(sheet: Sheet, scale: Sequence[float] | None, seed: int) -> dict[str, Estimate]:
    found = {str(m): e for m, e in alphas(sheet.grades, sheet.together, seed=seed).items()}
    if scale is None:  # that no two grades are equal says nothing
        found["nominal"] = _NO_SCALE
    return found
