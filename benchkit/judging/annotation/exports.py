"""What a page exports: one CSV row for an answer and a criterion, checked against the key."""

import csv
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from benchkit.csv_cells import skip_separator_line, unescape_cell
from benchkit.errors import DataError
from benchkit.judging.annotation.batch_key import BatchKey
from benchkit.judging.rubric import Criterion

EXPORT_COLUMNS = (
    "batch", "annotator", "name", "id", "criterion", "grade", "skipped", "note", "seconds",
)  # fmt: skip
_HINT = "export the CSV from the page once more, and do not edit it"
_SKIPPED = {"": False, "0": False, "false": False, "1": True, "true": True}


@dataclass(frozen=True, slots=True)
class ExportRow:
    """What an annotator says of an answer by a criterion."""

    annotator: str
    name: str
    id: str
    criterion: str
    grade: int | None
    """None where there is none (yet)."""
    skipped: bool
    note: str
    seconds: float
    """Time spent on the answer."""
    where: str
    """File and line."""


def read_export(path: Path, key: BatchKey) -> Iterator[ExportRow]:
    """Yield the rows of a file. Raises DataError, naming file and line, for a fault.

    A spreadsheet may have saved it, with the separator of its language or without the byte order
    mark.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        raise DataError(f"there is no file {path}", "check the path") from None
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: {error}", "save it as CSV in UTF-8") from None
    file = io.StringIO(text, newline="")
    separator, skipped = skip_separator_line(file, max(",;\t", key=text.partition("\n")[0].count))
    reader = csv.DictReader(file, delimiter=separator, strict=True)
    try:
        names = reader.fieldnames or ()
        if missing := [name for name in EXPORT_COLUMNS if name not in names]:
            raise DataError(f"{path}: no column {missing[0]!r}", _HINT)
        for row in reader:
            where = f"{path}, line {skipped + reader.line_num}"
            if None in row or None in row.values():
                raise DataError(f"{where}: it has not as many fields as columns", _HINT)
            yield _parse_row(
                {name: unescape_cell(row[name]) for name in EXPORT_COLUMNS}, where, key
            )
    except csv.Error as error:
        raise DataError(f"{path}, line {skipped + reader.line_num}: {error}", _HINT) from None


def _parse_row(row: Mapping[str, str], where: str, key: BatchKey) -> ExportRow:
    if row["batch"] != key.batch:
        raise DataError(
            f"{where}: it is of batch {row['batch']!r}, and the key of {key.batch}",
            "give the key.json that was made with the page",
        )
    annotator, identifier = row["annotator"], row["id"]
    if annotator not in key.annotators:
        known = ", ".join(key.annotators)
        raise DataError(f"{where}: no annotator {annotator!r}; there are {known}", _HINT)
    if identifier not in key.assigned[annotator]:
        raise DataError(f"{where}: {annotator} was not given {identifier!r}", _HINT)
    criteria = {criterion.name: criterion for criterion in key.rubric.criteria}
    if (criterion := criteria.get(row["criterion"])) is None:
        known = ", ".join(criteria)
        raise DataError(f"{where}: no criterion {row['criterion']!r}; there are {known}", _HINT)
    if (skipped := _SKIPPED.get(row["skipped"].strip().lower())) is None:
        raise DataError(f"{where}: skipped is {row['skipped']!r}, not 0 or 1", _HINT)
    grade = _parse_grade(row["grade"].strip(), where, criterion)
    if skipped and grade is not None:
        raise DataError(f"{where}: it is skipped, and has grade {grade}", _HINT)
    return ExportRow(
        annotator, row["name"].strip(), identifier, criterion.name, grade, skipped,
        row["note"], _parse_seconds(row["seconds"].strip(), where), where,
    )  # fmt: skip


def _parse_grade(text: str, where: str, criterion: Criterion) -> int | None:
    if not text:
        return None
    grade = _parse_number(text)
    if grade not in criterion.grades:
        raise DataError(
            f"{where}: {text!r} is no grade of {criterion.name}"
            f" ({criterion.low} to {criterion.high})",
            _HINT,
        )
    return int(grade)


def _parse_seconds(text: str, where: str) -> float:
    seconds = _parse_number(text or "0")
    if not 0 <= seconds < float("inf"):
        raise DataError(f"{where}: seconds is {text!r}", _HINT)
    return seconds


def _parse_number(text: str) -> float:
    """Return NaN for what is not a number."""
    try:
        return float(text)
    except ValueError:
        return float("nan")
