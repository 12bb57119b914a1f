"""Agreement of raters, people and judges alike: which statistics of which raters a report holds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np

from benchkit.errors import ConfigError
from benchkit.report.grade_sheets import Sheet
from benchkit.stats.agreement import Disagreement, PairAgreement, disagreements, pair_agreement
from benchkit.stats.grades import Estimate
from benchkit.stats.icc import ICC, icc
from benchkit.stats.krippendorff import alphas
from benchkit.stats.mean_kappa import mean_kappa
from benchkit.stats.scale import inferred_scale
from benchkit.stats.system_agreement import cube, system_level, within_items

MEAN = "reference mean"
_NO_SCALE = Estimate(float("nan"), reason="grades are on no scale of categories")


@dataclass(frozen=True, eq=False, slots=True)
class Pair:
    """Two raters; where several systems answer the items, by systems and within items too.

    systems: how many. used: items of each within-item correlation.
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
    """Raters together. items: with two grades or more; single: with one; none: without."""

    name: str
    raters: tuple[str, ...]
    items: int
    single: int
    none: int
    alphas: Mapping[str, Estimate]
    icc: ICC
    kappa: Estimate


@dataclass(frozen=True, eq=False, slots=True)
class AgreementReport:
    """What `benchkit agree` says. categories: None where grades are on no scale; `inferred` from
    the grades if none was named. reference: the raters that the others are compared with.
    apart: the items on which `annotators` are more than `gap` apart."""

    sheet: Sheet
    categories: tuple[float, ...] | None
    inferred: bool
    reference: tuple[str, ...]
    groups: tuple[Group, ...]
    pairs: tuple[Pair, ...]
    annotators: tuple[str, ...]
    gap: float
    apart: tuple[Disagreement, ...]


def assess(
    sheet: Sheet,
    reference: Sequence[str] = (),
    categories: Sequence[float] | None = None,
    gap: float = 4.0,
    seed: int = 0,
) -> AgreementReport:
    """Compare all raters of `sheet` with each other, or with a `reference`.

    One rater as reference: each other rater beside it. Several (people): each other rater
    beside the mean of the reference raters who graded the item (`MEAN`), and these among
    each other.
    categories: the scale; by default whole numbers from the lowest grade to the highest.
    Raises ConfigError for fewer than two raters or an unknown reference.
    """
    if len(sheet.raters) < 2:
        raise ConfigError(
            f"agreement needs two raters; the grades are all by {sheet.raters[0]!r}",
            "give another file, or name the column that says who graded (--rater)",
        )
    for name in reference:
        if name not in sheet.raters:
            raise ConfigError(f"no rater {name!r}", f"there are {', '.join(sheet.raters)}")
    scale = tuple(categories) if categories else inferred_scale(sheet.grades)
    others = [rater for rater in sheet.raters if rater not in reference]
    groups = [_group("all raters", sheet, scale, seed)]
    annotators = tuple(reference) if len(reference) > 1 else sheet.raters
    if len(reference) > 1 and others:
        groups.insert(0, _group("reference", sheet.only(reference), scale, seed))
    found = disagreements(sheet.only(annotators).grades, gap)
    return AgreementReport(
        sheet, scale, not categories, tuple(reference), tuple(groups),
        tuple(_pairs(sheet, reference, others, scale, seed)), annotators, gap, tuple(found),
    )  # fmt: skip


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
    clusters = own.items if own.systems else None
    a, b = own.grades.T
    sample = pair_agreement(a, b, scale, clusters, seed=seed)
    if not own.systems:
        return Pair(first, second, sample)
    answers, _, systems = cube(own.items, own.systems, own.grades)
    a, b = answers
    within, used = within_items(a, b, seed=seed)
    by_system = system_level(a, b, seed=seed)
    return Pair(first, second, sample, len(systems), by_system, within, used)


def _group(name: str, sheet: Sheet, scale: Sequence[float] | None, seed: int) -> Group:
    clusters = sheet.items if sheet.systems else None
    graded = (~np.isnan(sheet.grades)).sum(axis=1)
    kappa = _NO_SCALE
    if scale is not None:
        kappa = mean_kappa(sheet.grades, scale, clusters, seed=seed)
    return Group(
        name=name,
        raters=sheet.raters,
        items=int((graded >= 2).sum()),
        single=int((graded == 1).sum()),
        none=int((graded == 0).sum()),
        alphas=_alphas(sheet, scale, clusters, seed),
        icc=icc(sheet.grades, clusters, seed=seed),
        kappa=kappa,
    )


def _alphas(
    sheet: Sheet, scale: Sequence[float] | None, clusters: Sequence[str] | None, seed: int
) -> dict[str, Estimate]:
    found = {str(m): e for m, e in alphas(sheet.grades, clusters, seed=seed).items()}
    if scale is None:  # that no two grades are equal says nothing
        found["nominal"] = _NO_SCALE
    return found
