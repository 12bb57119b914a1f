"""Agreement of raters, and judges corrected by people, as text and as files."""

import dataclasses
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from benchkit import io
from benchkit.console import echo, echo_file, echo_files
from benchkit.errors import ConfigError, unknown_name_error
from benchkit.judging.annotation.population import find_judgements
from benchkit.report.agreement.confusion_plot import write_confusions
from benchkit.report.agreement.criteria import list_criteria
from benchkit.report.agreement.files import agreement_csv, agreement_json, write_agreement
from benchkit.report.agreement.measurement import AgreementReport
from benchkit.report.agreement.preferences import (
    Preferences,
    preference_tables,
    preferences_csv,
)
from benchkit.report.agreement.ratings_io import RatingsTable, read_ratings_file
from benchkit.report.agreement.tables import agreement_tables
from benchkit.report.calibration.files import calibration_csv, calibration_records
from benchkit.report.calibration.judged_answers import answers_of_judgements, answers_of_ratings
from benchkit.report.calibration.measurement import (
    DEFAULT_EPSILON,
    CalibrationReport,
    measure_calibration,
)
from benchkit.report.calibration.people_labels import read_people_labels, unmatched_error
from benchkit.report.calibration.tables import calibration_tables
from benchkit.report.core.terminal_table import print_tables, wide_console
from benchkit.report.core.text_table import render_markdown
from benchkit.runs.records import JUDGE_PREFIX

_Format = Callable[[AgreementReport, Sequence[CalibrationReport], Preferences | None], str]


def _markdown(
    report: AgreementReport,
    calibrations: Sequence[CalibrationReport],
    preferences: Preferences | None,
) -> str:
    tables = [*agreement_tables(report), *calibration_tables(calibrations)]
    return render_markdown([*tables, *preference_tables(preferences)])


def _csv(report: AgreementReport, *_: object) -> str:
    """Return one table, as a CSV file has; --out writes the others."""
    return agreement_csv(report)


def _json(
    report: AgreementReport,
    calibrations: Sequence[CalibrationReport],
    preferences: Preferences | None,
) -> str:
    values = agreement_json(report) | {"calibration": list(calibration_records(calibrations))}
    if preferences is not None:
        values["preferences"] = dataclasses.asdict(preferences)
    return json.dumps(values, indent=2, allow_nan=False) + "\n"


AGREEMENT_FORMATS: dict[str, _Format] = {"md": _markdown, "csv": _csv, "json": _json}


def require_files(files: Sequence[Path] | None) -> list[Path]:
    """Return the files of grades. Raises ConfigError where there are none."""
    if not files:
        raise ConfigError("no grades to compare", "benchkit agree FILE...")
    return list(files)


def print_agreement(
    report: AgreementReport,
    calibrations: Sequence[CalibrationReport],
    preferences: Preferences | None,
    format_: str,
) -> None:
    """Print the agreement on a terminal, or as `AGREEMENT_FORMATS` have it."""
    if format_ == "terminal":
        tables = [*agreement_tables(report), *calibration_tables(calibrations)]
        print_tables(wide_console(), [*tables, *preference_tables(preferences)])
    else:
        echo_file(AGREEMENT_FORMATS[format_](report, calibrations, preferences))
    for caveat in report.caveats if format_ == "csv" else ():  # which has no place for them
        echo(caveat, fg="yellow", err=True)


def prefer_alone(
    ratings: RatingsTable,
    preferences: Preferences | None,
    format_: str,
    folder: Path | None = None,
) -> bool:
    """Print and write win rates by themselves where no pair was labelled by two people.

    Returns whether it was so; otherwise there is an agreement to measure besides.
    """
    if preferences is None or (np.isfinite(ratings.grades).sum(axis=1) > 1).any():
        return False
    tables = list(preference_tables(preferences, beside_agreement=False))
    if format_ == "terminal":
        print_tables(wide_console(), tables)
    elif format_ == "json":
        echo_file(json.dumps({"preferences": dataclasses.asdict(preferences)}, indent=2) + "\n")
    else:
        csv = format_ == "csv"
        echo_file(preferences_csv(preferences) if csv else render_markdown(tables))
    if folder is not None:
        io.write_text(folder / "win-rates.csv", preferences_csv(preferences))
        echo_files([folder / "win-rates.csv"])
    return True


def select_criteria(paths: Sequence[Path], criterion: str, format_: str) -> list[str]:
    """Return the criteria whose grades are compared, each by itself; [""] where files name none.

    Raises:
        ConfigError: No grade is by `criterion`, or several have no place in one file of a format.
    """
    names = list_criteria(map(read_ratings_file, paths))
    if criterion:
        if criterion not in names:
            raise unknown_name_error("criterion", criterion, names)
        return [criterion]
    if len(names) > 1 and format_ in ("csv", "json"):
        raise ConfigError(
            f"the grades are by {len(names)} criteria, and {format_} is one table",
            f"name one with --criterion: {', '.join(names)}",
        )
    return names if len(names) > 1 else [""]


def write_agreement_report(
    report: AgreementReport,
    folder: Path,
    calibrations: Sequence[CalibrationReport] = (),
    preferences: Preferences | None = None,
) -> list[Path]:
    """Write tables, confusion matrices and their plots; say so where there can be no plots."""
    paths = write_agreement(report, folder)
    if calibrations:
        paths.append(folder / "calibration.csv")
        io.write_text(paths[-1], calibration_csv(calibrations))
    if preferences is not None:
        paths.append(folder / "win-rates.csv")
        io.write_text(paths[-1], preferences_csv(preferences))
    try:
        return paths + write_confusions(report.pairs, folder)
    except ConfigError as error:
        echo(f"no plots: {error}", fg="yellow", err=True)
        return paths


def calibrate_judges(
    report: AgreementReport,
    paths: Sequence[Path],
    judgements: Sequence[Path] = (),
    *,
    suite: str = "",
    epsilon: float = DEFAULT_EPSILON,
    seed: int = 0,
    criterion: str = "",
    one_of_several: bool = False,
) -> list[CalibrationReport]:
    """Compare each judge with people, and correct its figures.

    Judges are the raters that `benchkit annotate` calls `judge:...`, else those that are not the
    reference; people are the reference, else all others. Without judges, or on no common scale,
    there is nothing to compare.

    Args:
        report: The agreement of all raters.
        paths: The files that it is of.
        judgements: Where all answers are that judges graded: judgements (.parquet), folders of
            runs, or a store. Without them these are the answers in the files.
        suite: The suite of a store.
        epsilon: By how much a person has to be better than the judge that replaces people, 0 to 1.
        seed: Of the bootstrap.
        criterion: Only grades of `judgements` by this one; the report has no others.
        one_of_several: Whether there are reports by other criteria besides: that no judged answer
            has a label by this one is then said, and no error.

    Raises:
        ConfigError: `judgements` is a store, and its suite is not named; or `epsilon` cannot be.
        DataError: No label is of a judged answer.
    """
    if not 0 <= epsilon <= 1:
        raise ConfigError(f"epsilon {epsilon:g} is not between 0 and 1", "as --epsilon 0.15")
    if judgements:
        labels = read_people_labels(paths)
        of_suite = find_judgements(judgements, suite)
        judged = answers_of_judgements(of_suite, labels)
        labelled = [part for part in judged if len(part.grades)]
        answers = [part for part in labelled if criterion in ("", part.criterion)]
        if not answers:
            error = unmatched_error(labels, [part.manifest.rubric for part in of_suite])
            if not labelled or not one_of_several:
                raise error
            echo(f"criterion {criterion}: {error.cause}", fg="yellow", err=True)
    else:
        judges, people = _tell_judges_from_people(report)
        if not (judges and people and report.common_scale):
            return []
        answers = [
            answers_of_ratings(report.ratings, people, judge, report.categories) for judge in judges
        ]
    return [measure_calibration(part, epsilon=epsilon, seed=seed) for part in answers]


def _tell_judges_from_people(report: AgreementReport) -> tuple[list[str], list[str]]:
    raters, reference = report.ratings.raters, report.reference
    judges = [rater for rater in raters if rater.startswith(JUDGE_PREFIX)]
    if set(judges) & set(reference):  # a judge that others are compared with stands for no person
        return [], []
    if not judges and reference:
        judges = [rater for rater in raters if rater not in reference]
    return judges, [rater for rater in reference or raters if rater not in judges]
