"""The agreement of a model's grades with people's, as C-APO measures it (appendices D and F).

People grade a sample of what a model graded, on the model's scale. The model is compared with the
mean of the people who graded a sample: Spearman's correlation with the mean as it is, quadratic
weighted kappa and the confusion matrix with the mean rounded to a grade (halves up).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchkit.errors import ConfigError, unknown_name_error
from benchkit.report.agreement.measurement import RaterPair
from benchkit.report.agreement.ratings_io import RatingsTable
from benchkit.report.agreement.scale_checks import refuse_grades_off_scale
from benchkit.report.agreement.tables import (
    confusion_table,
    format_estimate,
    missing_reasons,
)
from benchkit.report.core.labels import format_p_value
from benchkit.report.core.text_table import TextTable
from benchkit.report.experiments.declarations import normalize_reference
from benchkit.report.paper.published_values import read_published_rows
from benchkit.runs.records import JUDGE_PREFIX
from benchkit.stats.agreement.contingency import effective_number
from benchkit.stats.agreement.synthetic_raters import SYNTHETIC, draw_grades, draw_raters
from benchkit.stats.agreement.two_raters import pair_agreement
from benchkit.stats.arrays import Floats

PEOPLE_MEAN = "people (mean)"


@dataclass(frozen=True)
class PaperProtocol:
    """What a paper asks people, and where it prints what came of it."""

    names: tuple[str, ...]
    """References: the figure of the confusion matrix, and the appendix."""
    title: str
    low: int
    high: int
    n_samples: int
    n_people: int
    consensus_gap: float
    """Samples on which people differ by more are talked over in the paper; here they are
    counted."""

    @property
    def scale(self) -> tuple[float, ...]:
        """All grades, ascending."""
        return tuple(float(grade) for grade in range(self.low, self.high + 1))

    @property
    def published(self) -> str:
        """The table of published figures that has its values."""
        return self.names[-1]


PROTOCOLS = (
    PaperProtocol(
        ("c-apo:figure8", "c-apo:sectionD"), "coherence of a teacher's rationales", 1, 7, 400, 7, 4
    ),
    PaperProtocol(
        ("c-apo:figure10", "c-apo:sectionF"), "grades of a judge for rationales", 0, 3, 250, 2, 2
    ),
)


@dataclass(frozen=True, eq=False)
class ProtocolAgreement:
    """A model beside the mean of people."""

    protocol: PaperProtocol
    pair: RaterPair
    """First the model, in rows of the confusion matrix; then people."""
    people: tuple[str, ...]
    n_apart: int
    """Samples on which people differ by more than `consensus_gap`."""
    is_synthetic: bool
    weights: Floats | None = None
    """[n] how many answers each sample that both graded stands for; None where equally many."""

    @property
    def n_effective(self) -> float:
        """Samples of equal weights that would say as much (Kish)."""
        whole = self.pair.item_level.n
        return float(whole) if self.weights is None else effective_number(self.weights)

    @property
    def title(self) -> str:
        """What it is, and that it is generated where it is."""
        mark = f"{SYNTHETIC} demo: " if self.is_synthetic else ""
        return f"{mark}agreement in the shape of {self.protocol.names[0].replace(':', ', ')}"


def find_paper_protocol(reference: str) -> PaperProtocol:
    """Return the protocol of a paper's figure or appendix. Raises ConfigError for any other."""
    for protocol in PROTOCOLS:
        if normalize_reference(reference) in protocol.names:
            return protocol
    known = [name for protocol in PROTOCOLS for name in protocol.names]
    raise unknown_name_error("agreement of a paper", reference, known)


def is_agreement_figure(reference: str) -> bool:
    """Return whether a reference names a figure or appendix of agreement.

    >>> is_agreement_figure("c-apo:figure8"), is_agreement_figure("c-apo:table2")
    (True, False)
    """
    return any(normalize_reference(reference) in protocol.names for protocol in PROTOCOLS)


def measure_protocol(
    ratings: RatingsTable, protocol: PaperProtocol, judge: str = "", seed: int = 0
) -> ProtocolAgreement:
    """Compare a model with the mean of people.

    Args:
        ratings: Grades by people and by one judge, whose name begins with "judge:".
        protocol: What to measure.
        judge: The judge, where there are several.
        seed: Seed of resampling.

    Raises:
        ConfigError: There are no people, or there is not one judge.
        DataError: A grade is not on the protocol's scale.
    """
    judges = [rater for rater in ratings.raters if rater.startswith(JUDGE_PREFIX)]
    people = tuple(rater for rater in ratings.raters if rater not in judges)
    chosen = [rater for rater in judges if judge in ("", rater, rater.removeprefix(JUDGE_PREFIX))]
    if len(chosen) != 1 or not people:
        names = ", ".join(judges) or "none"
        raise ConfigError(
            f"{protocol.names[0]} compares one model with people; there are {len(people)} people,"
            f" and these judges: {names}",
            "give labels that benchkit annotate --read wrote, and name one judge with --reference",
        )
    refuse_grades_off_scale(
        ratings.select_raters([*chosen, *people]), protocol.scale,
        f"{protocol.names[0]} is of grades from {protocol.low} to {protocol.high}",
    )  # fmt: skip
    grades = ratings.select_raters(people).grades
    counted = (~np.isnan(grades)).sum(axis=1)
    means = np.nansum(grades, axis=1) / np.where(counted, counted, np.nan)
    model = ratings.select_raters(chosen).grades[:, 0]
    agreement = pair_agreement(
        model, means, protocol.scale, ratings.resampling_units, ratings.weights, seed=seed
    )
    several = grades[counted > 1]
    apart = np.nanmax(several, axis=1) - np.nanmin(several, axis=1) if len(several) else several
    is_synthetic = any(SYNTHETIC in name for name in ratings.raters)
    mean_name = f"{SYNTHETIC} {PEOPLE_MEAN}" if is_synthetic else PEOPLE_MEAN
    return ProtocolAgreement(
        protocol,
        RaterPair(chosen[0], mean_name, agreement),
        people,
        int((apart > protocol.consensus_gap).sum()),
        is_synthetic,
        None if ratings.weights is None else ratings.weights[~np.isnan(model) & (counted > 0)],
    )


def protocol_tables(result: ProtocolAgreement, published: Path) -> list[TextTable]:
    """Return ours beside what the paper prints, and the confusion matrix."""
    protocol, agreement = result.protocol, result.pair.item_level
    printed = {
        row.metric: _number(row.value) for row in read_published_rows(published, protocol.published)
    }
    kappa, spearman = agreement.estimates["kappa"], agreement.estimates["spearman"]
    rows = (
        ("Samples", f"{agreement.n:,}", printed.get("human_rated_samples", "")),
        ("People", str(len(result.people)), printed.get("human_raters", "")),
        ("Quadratic weighted kappa", format_estimate(kappa), printed.get("qwk", "")),
        ("p of kappa", format_p_value(kappa.p), _below(printed.get("qwk_p_upper_bound"))),
        ("Spearman", format_estimate(spearman), printed.get("spearman", "")),
        (
            "p of Spearman",
            format_p_value(spearman.p),
            _below(printed.get("spearman_p_upper_bound")),
        ),
        (f"People more than {protocol.consensus_gap:g} apart", str(result.n_apart), ""),
    )
    title = f"{result.title}: {protocol.title}, {protocol.low} to {protocol.high}"
    tables = [TextTable(title, ("", "Ours", "Published"), rows, tuple(_notes(result)))]
    matrix = confusion_table(result.pair)
    return [*tables, *([] if matrix is None else [matrix])]


def _notes(result: ProtocolAgreement) -> Iterator[str]:
    pair = result.pair
    if result.is_synthetic:
        yield f"{SYNTHETIC}: generated grades, which say nothing of any model or person."
    yield (
        f"{pair.first} beside the mean of people, which kappa and the matrix round to a"
        " grade (halves up); 95 % BCa bootstrap intervals; p of permutations, two-sided."
    )
    if result.weights is not None:
        yield (
            "Weighted: kappa and Spearman, with their intervals, count each sample for as many"
            " answers as it represents, and say as much as"
            f" {result.n_effective:.0f} samples of equal weights (Kish). Samples, p, people apart"
            " and the matrix are unweighted."
        )
    estimates = {name: pair.item_level.estimates[name] for name in ("kappa", "spearman")}
    for reason in missing_reasons(estimates):
        named = reason.replace("the first rater", pair.first)
        yield named.replace("the second rater", pair.second)
    yield "The paper talks over samples on which people are far apart; here they count as they are."


def _number(value: str) -> str:
    """Return a printed figure as ours are written: .63 for 0.63."""
    return value.removeprefix("0") if "." in value else value


def _below(bound: str | None) -> str:
    return "" if bound is None else f"< {bound}"


def synthetic_ratings(protocol: PaperProtocol, noise: float, seed: int = 0) -> RatingsTable:
    """Return generated grades in the numbers of the paper; every name says SYNTHETIC.

    The model's grades are drawn from the scale, and each person's are these with independent normal
    noise (`benchkit.stats.agreement.synthetic_raters`).
    """
    model = draw_grades(protocol.low, protocol.high, protocol.n_samples, seed)
    people = draw_raters(model, protocol.low, protocol.high, protocol.n_people, noise, seed)
    names = [f"{SYNTHETIC} person {number}" for number in range(1, protocol.n_people + 1)]
    return RatingsTable(
        items=tuple(f"{SYNTHETIC} {number}" for number in range(1, protocol.n_samples + 1)),
        systems=None,
        raters=(f"{JUDGE_PREFIX}{SYNTHETIC} model", *names),
        grades=np.column_stack([model, people]),
        scales=(f"{protocol.low}-{protocol.high}",),
    )


def ratings_rows(ratings: RatingsTable) -> list[Sequence[str | float]]:
    """Return the grades as rows of a file of labels: item, rater, grade, scale."""
    scale = ratings.scales[0] if ratings.scales else ""
    return [
        (item, rater, int(grade), scale)
        for item, row in zip(ratings.items, ratings.grades, strict=True)
        for rater, grade in zip(ratings.raters, row, strict=True)
        if not np.isnan(grade)
    ]
