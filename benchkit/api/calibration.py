"""Judges beside people: corrected figures, and how many labels they need."""

from collections.abc import Sequence
from pathlib import Path

from benchkit.errors import ConfigError, DataError
from benchkit.judging.annotation.labels import JUDGE_PREFIX
from benchkit.judging.annotation.population import find_judgements
from benchkit.report.agreement.measurement import AgreementReport
from benchkit.report.calibration.judged_answers import (
    answers_of_judgements,
    answers_of_ratings,
    plan_answers,
)
from benchkit.report.calibration.measurement import (
    DEFAULT_EPSILON,
    CalibrationReport,
    measure_calibration,
)
from benchkit.report.calibration.people_labels import read_people_labels
from benchkit.report.calibration.plan_table import plan_tables
from benchkit.report.core.text_table import TextTable
from benchkit.stats.calibration.label_plan import DEFAULT_CORRELATION, plan_labels


def calibrate_judges(
    report: AgreementReport,
    paths: Sequence[Path],
    judgements: Sequence[Path] = (),
    *,
    suite: str = "",
    epsilon: float = DEFAULT_EPSILON,
    seed: int = 0,
) -> list[CalibrationReport]:
    """Compare each judge with people, and correct its figures.

    Judges are the raters that are not the reference or, without one, those that `benchkit annotate`
    calls `judge:...`. Without them, or on no common scale, there is nothing to compare.

    Args:
        report: The agreement of all raters.
        paths: The files that it is of.
        judgements: Where all answers are that judges graded: judgements (.parquet), folders of
            runs, or a store. Without them these are the answers in the files.
        suite: The suite of a store.
        epsilon: By how much a person has to be better than the judge that replaces people.
        seed: Of the bootstrap.

    Raises:
        ConfigError: `judgements` without common scale or store's suite.
        DataError: No label is of a judged answer.
    """
    if judgements:
        labels = read_people_labels(paths)
        found_judgements = find_judgements(judgements, suite)
        answers = list(answers_of_judgements(found_judgements, labels))
        if not any(len(part.grades) for part in answers):
            raise DataError(
                "no label is of an answer in these judgements",
                "name the judgements that the answers were drawn from, as for benchkit annotate",
            )
    else:
        ratings = report.ratings
        judges = [r for r in ratings.raters if r not in report.reference]
        if not report.reference:
            judges = [rater for rater in judges if rater.startswith(JUDGE_PREFIX)]
        people = [rater for rater in ratings.raters if rater not in judges]
        if not (judges and people and report.common_scale):
            return []
        answers = [answers_of_ratings(ratings, people, j, report.categories) for j in judges]
    return [measure_calibration(part, epsilon=epsilon, seed=seed) for part in answers]


def plan_annotation(
    judgements: Sequence[Path],
    half_width: float,
    *,
    labels: Sequence[Path] = (),
    suite: str = "",
    judge: str = "",
    correlation: float = DEFAULT_CORRELATION,
) -> list[TextTable]:
    """Return how many labels of people corrected means need, by method, as tables.

    Args:
        judgements: What would be sampled from, as for `make_annotation_pages`.
        half_width: Of the 95 % intervals, in grades.
        labels: Labels that there are, which say how well the judge predicts people.
        suite: The suite of a store.
        judge: Only judgements by this judge.
        correlation: Of people's grades with the judge's, used without labels.

    Raises:
        ConfigError: A half-width or correlation that cannot be.
    """
    if not half_width > 0:
        raise ConfigError(f"half-width {half_width:g} is not positive", "as --half-width 0.1")
    if not 0 <= correlation < 1:
        raise ConfigError(f"a correlation of {correlation:g} says nothing", "as --correlation 0.5")
    people = read_people_labels(labels) if labels else None
    tables = []
    for part in plan_answers(find_judgements(judgements, suite, judge), people):
        plan = plan_labels(part.groups, half_width, correlation=correlation)
        tables += plan_tables(part, plan, correlation)
    return tables
