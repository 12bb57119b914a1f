"""Grades to learn from: judgements of another judge, or a table of grades that people gave."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import polars as pl

from benchkit.errors import DataError
from benchkit.io import slug
from benchkit.judging.rubric import Rubric
from benchkit.judging.verdicts import SCORED, JudgeInput
from benchkit.rating_scale import FIVE_STARS, RatingScale
from benchkit.runs.records import JUDGEMENTS_SCHEMA
from benchkit.types import Catalog, Event, Request

_BETWEEN = " | "  # of title, rating and review in a line of the history
_MAX_UNKNOWN = 0.1
_CASES = ("case_id", "case", "item")
# What a dataset calls the cases of a user: test:ann, test:ann#2.
_CASE = re.compile(r"(?:(?:test|valid):)?(.+?)(?:#\d+)?", re.DOTALL)
_RUNS = ("run_id", "system", "task")
_JUDGES = "judge:"  # raters that collected labels hold beside the annotators
_NEEDED = ("case_id", "item", "rationale", "history", "stage", "status", "grades")

_Record = dict[str, Any]
_Records = dict[str, list[tuple[dict[str, str], _Record]]]  # case -> (names of its run, record)
_Label = tuple[_Record, dict[str, float]]  # a record, and the grades that it got


@dataclass(frozen=True)
class TrainingLabels:
    """Graded judge inputs."""

    judge_inputs: Sequence[JudgeInput]
    grades: Mapping[str, Sequence[float]]
    """Criterion -> [n] grades, NaN where there is none."""
    n_guessed_users: int
    """Inputs whose record does not say whose they are, so that the name of the case does."""

    @property
    def users(self) -> list[str]:
        """[n] whose rationales they are; one user may have several cases."""
        return [judge_input.request.user for judge_input in self.judge_inputs]


def read_training_labels(
    labels: Sequence[Path],
    records: Sequence[Path],
    rubric: Rubric,
    catalog: Catalog,
    raters: Sequence[str] = (),
) -> TrainingLabels:
    """Read labels from files.

    Args:
        labels: Judgements (Parquet, `benchkit.runs.records.JUDGEMENTS_SCHEMA`), of which only what
            a judge decided counts; or CSV files, such as the collected labels of annotators, with
            a column `case_id` (or `item`), and either a column for each criterion, or `grade` and,
            where the rubric has several, `criterion`. Columns `run_id`, `system` and `task`
            distinguish runs. Grades of several raters count as their median.
        records: For CSV files, judgements that hold what was graded, in the folders of their runs.
        rubric: The rubric of the grades.
        catalog: The catalogue that the items are of.
        raters: Raters that count in CSV files with a column `rater`; by default all but
            `judge:...`.

    Raises:
        DataError: Where a file lacks something, where a case of a CSV file is in no record or in
            several, and where more than a tenth of the items are not in the catalogue.
    """
    tables = [path for path in labels if path.suffix != ".csv"]
    rows = [row for path in tables for row in _rows_of_judge(_read_parquet(path), rubric)]
    if len(tables) < len(labels):
        by_case: _Records = {}
        for path in records:
            for record in _read_parquet(path).iter_rows(named=True):
                if record["rationale"]:
                    by_case.setdefault(record["case_id"], []).append((_run_names(path), record))
        for path in labels:
            rows += [] if path in tables else _join_records(path, by_case, rubric, raters)
    if not rows:
        raise DataError(
            f"no label by the rubric {rubric.name} in {', '.join(map(str, labels))}",
            "give judgements by this rubric with scored cases, or a CSV file and its records",
        )
    return _collect_labels(rows, rubric, catalog)


def _read_parquet(path: Path) -> pl.DataFrame:
    try:
        table = pl.read_parquet(path)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise DataError(f"{path}: {error}", "give the verdicts of a judge (.parquet)") from None
    if missing := [name for name in _NEEDED if name not in table.columns]:
        raise DataError(
            f"{path} has no column {missing[0]!r}",
            f"give the verdicts of a judge, with {', '.join(JUDGEMENTS_SCHEMA)}",
        )
    return table


def _rows_of_judge(table: pl.DataFrame, rubric: Rubric) -> list[_Label]:
    scored = table.filter((pl.col("stage") == "judged") & (pl.col("status") == SCORED))
    known = {criterion.name for criterion in rubric.criteria}
    rows = []
    for record in scored.iter_rows(named=True):
        grades = {entry["criterion"]: entry["grade"] for entry in record["grades"]}
        if known <= grades.keys():
            rows.append((record, grades))
    return rows


def _run_names(path: Path) -> dict[str, str]:
    """Return how a store names the run that a file of judgements is of."""
    names = path.resolve().parts[-5:-2]
    return dict(zip(("task", "system", "run_id"), names, strict=False))


def _join_records(
    path: Path, records: _Records, rubric: Rubric, raters: Sequence[str]
) -> list[_Label]:
    """Return the rows of a CSV file with their records."""
    rows = []
    for (case, *run), grades in _read_grades(path, rubric, raters).items():
        names = {name: value for name, value in zip(_RUNS, run, strict=True) if value}
        matches = [
            record
            for run_names, record in records.get(case, ())
            if all(run_names.get(name) == slug(value) for name, value in names.items())
        ]
        if len(matches) != 1:
            where = "no record" if not matches else f"{len(matches)} records"
            of = "".join(f", {name} {value!r}," for name, value in names.items())
            raise DataError(
                f"{path}: case {case!r}{of} is in {where}",
                "name with `records` the judgements that were graded, and where they are of"
                f" several runs, tell these apart in the CSV file ({', '.join(_RUNS)})",
            )
        rows.append((matches[0], {name: median(values) for name, values in grades.items()}))
    return rows


def _read_grades(
    path: Path, rubric: Rubric, raters: Sequence[str]
) -> dict[tuple[str, ...], dict[str, list[float]]]:
    """Return (case, run's names or "") -> criterion -> grades of the raters that count."""
    try:
        table = pl.read_csv(path, infer_schema=False)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise DataError(f"{path}: {error}", "give a CSV file with a header") from None
    names = [criterion.name for criterion in rubric.criteria]
    case = next((name for name in _CASES if name in table.columns), None)
    wide = [name for name in names if name in table.columns]
    long = "grade" in table.columns and (len(names) == 1 or "criterion" in table.columns)
    if case is None or not (wide or long):
        raise DataError(
            f"{path} has the columns {', '.join(table.columns)}",
            f"give case_id, and {' and '.join(names)}, or criterion and grade",
        )
    grades: dict[tuple[str, ...], dict[str, list[float]]] = {}
    for row in table.iter_rows(named=True):
        rater = row.get("rater") or ""
        if rater not in raters if raters else rater.startswith(_JUDGES):
            continue
        if wide:
            texts = {name: row[name] for name in wide}
        else:
            texts = {row.get("criterion") or names[0]: row["grade"]}
        for name, text in texts.items():
            if name in names and text not in (None, ""):
                key = (row[case] or "", *(row.get(name) or "" for name in _RUNS))
                number = _parse_number(text, path, row[case])
                grades.setdefault(key, {}).setdefault(name, []).append(number)
    return grades


def _parse_number(text: str, path: Path, case: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise DataError(
            f"{path}: case {case!r}: the grade {text!r} is not a number",
            "leave it empty where there is no grade",
        ) from None


def _collect_labels(rows: Sequence[_Label], rubric: Rubric, catalog: Catalog) -> TrainingLabels:
    known: dict[str, str] = {}
    for item, title in zip(catalog.ids, catalog.texts.get("title", catalog.ids), strict=True):
        known.setdefault(" ".join((title or item).split()), item)
    scale = catalog.rating_scale or FIVE_STARS
    inputs, unknown, lines, guessed = [], 0, 0, 0
    for number, (record, _) in enumerate(rows):
        events = [_parse_event(line, known, scale) for line in record["history"]]
        unknown += events.count(None) + (record["item"] not in catalog.index)
        lines += len(events) + 1
        history = tuple(event for event in events if event is not None)
        case, user = str(record["case_id"]), record.get("user")
        guessed += user is None
        # The records do not say which candidates there were.
        request = Request(case, _user_of_case(case) if user is None else str(user), history, ())
        item, rationale = str(record["item"]), str(record["rationale"])
        inputs.append(JudgeInput(str(number), request, item, rationale))
    if unknown > _MAX_UNKNOWN * lines:
        raise DataError(
            f"{unknown} of {lines} items in the labels are not in this catalogue",
            "distil from labels of the same dataset, or save what was distilled and give `model`",
        )
    grades = {
        criterion.name: [by_criterion.get(criterion.name, float("nan")) for _, by_criterion in rows]
        for criterion in rubric.criteria
    }
    return TrainingLabels(inputs, grades, guessed)


def _user_of_case(case: str) -> str:
    """Return whose case it is, by its name: older records do not say.

    >>> [_user_of_case(case) for case in ("test:ann", "test:ann#2", "c1")]
    ['ann', 'ann', 'c1']
    """
    match = _CASE.fullmatch(case)
    return match[1] if match else case


def _parse_event(line: str, known: Mapping[str, str], scale: RatingScale) -> Event | None:
    """Return the event of a line of the history; None where the catalogue has no such title.

    Titles can hold what separates the parts, so the longest title that is one is taken.
    """
    parts = line.split(_BETWEEN)
    for cut in range(len(parts), 0, -1):
        item = known.get(_BETWEEN.join(parts[:cut]))
        if item is None:
            continue
        rest = parts[cut:]
        rating = _parse_rating(rest[0], scale) if rest else None
        review = _BETWEEN.join(rest if rating is None else rest[1:])
        return Event(item, rating, None, review or None)
    return None


def _parse_rating(text: str, scale: RatingScale) -> float | None:
    if text.startswith("rated "):
        try:
            return float(text.removeprefix("rated "))
        except ValueError:
            return None
    return scale.from_word(text)
