"""Grades to learn from: judgements of another judge, or a table of grades that people gave."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import polars as pl

from benchkit.data.rating_labels import RATING_LABELS
from benchkit.errors import DataError
from benchkit.judging.rubric import Rubric
from benchkit.judging.verdicts import JudgeInput
from benchkit.runs.records import JUDGEMENTS_SCHEMA
from benchkit.runs.store import slug
from benchkit.types import Catalog, Event, Request

_BETWEEN = " | "  # of title, rating and review in a line of the history
_STARS = {word: float(stars) for stars, word in RATING_LABELS.items()}
_MOST_UNKNOWN = 0.1
_CASES = ("case_id", "case", "item")
# What a dataset calls the cases of a user: test:ann, test:ann#2.
_CASE = re.compile(r"(?:(?:test|valid):)?(.+?)(?:#\d+)?", re.DOTALL)
_RUNS = ("run_id", "system", "task")
_JUDGES = "judge:"  # raters that collected labels hold beside the annotators
_NEEDED = ("case_id", "item", "rationale", "history", "stage", "status", "grades")


@dataclass(frozen=True)
class TrainingLabels:
    """Graded exhibits. grades: by criterion, [n], NaN where there is none.

    n_guessed_users: of how many the record does not say whose they are, so that the name of the case does.
    """

    judge_inputs: Sequence[JudgeInput]
    grades: Mapping[str, Sequence[float]]
    n_guessed_users: int

    @property
    def users(self) -> list[str]:
        """[n] whose rationales they are; one user may be asked several times."""
        return [exhibit.request.user for exhibit in self.judge_inputs]


def read_training_labels(
    labels: Sequence[Path],
    records: Sequence[Path],
    rubric: Rubric,
    catalog: Catalog,
    raters: Sequence[str] = (),
) -> TrainingLabels:
    """Labels from files.

    labels: judgements (Parquet, `benchkit.runs.records.JUDGEMENTS_SCHEMA`), of which only what a judge decided
        counts; or CSV files, such as the collected labels of annotators, with a column `case_id`
        (or `item`), and either a column for each criterion, or `grade` and, where the rubric has
        several, `criterion`. Columns `run_id`, `system` and `task` tell runs apart. Grades of
        several raters count as their median.
    records: for CSV files, judgements that hold what was graded, in the folders of their runs.
    raters: of CSV files with a column `rater`, who counts; by default all but `judge:...`.

    Raises DataError where a file lacks something, where a case of a CSV file is in no record or in
    several, and where more than a tenth of the items are not in the catalogue.
    """
    tables = [path for path in labels if path.suffix != ".csv"]
    found = [one for path in tables for one in _rows_of_judge(_parquet(path), rubric)]
    if len(tables) < len(labels):
        shown: dict[str, list[_Shown]] = {}
        for path in records:
            for row in _parquet(path).iter_rows(named=True):
                if row["rationale"]:
                    shown.setdefault(row["case_id"], []).append((_run_names(path), row))
        for path in labels:
            found += [] if path in tables else _join_records(path, shown, rubric, raters)
    if not found:
        raise DataError(
            f"no label by the rubric {rubric.name} in {', '.join(map(str, labels))}",
            "give judgements by this rubric with scored cases, or a CSV file and its records",
        )
    return _labels(found, rubric, catalog)


_Shown = tuple[dict[str, str], dict[str, object]]  # the names of a run, and a record of it
_Row = tuple[dict[str, object], dict[str, float]]  # a record, and the grades that it got


def _parquet(path: Path) -> pl.DataFrame:
    try:
        table = pl.read_parquet(path)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise DataError(f"{path}: {error}", "give the verdicts of a judge (.parquet)") from None
    if lacking := [name for name in _NEEDED if name not in table.columns]:
        raise DataError(
            f"{path} has no column {lacking[0]!r}",
            f"give the verdicts of a judge, with {', '.join(JUDGEMENTS_SCHEMA)}",
        )
    return table


def _rows_of_judge(table: pl.DataFrame, rubric: Rubric) -> list[_Row]:
    kept = table.filter((pl.col("stage") == "judged") & (pl.col("status") == "scored"))
    known = {criterion.name for criterion in rubric.criteria}
    rows = []
    for row in kept.iter_rows(named=True):
        grades = {one["criterion"]: one["grade"] for one in row["grades"]}
        if known <= grades.keys():
            rows.append((row, grades))
    return rows


def _run_names(path: Path) -> dict[str, str]:
    """How a store names the run that a file of judgements is of."""
    names = path.resolve().parts[-5:-2]
    return dict(zip(("task", "system", "run_id"), names, strict=False))


def _join_records(
    path: Path, shown: Mapping[str, Sequence[_Shown]], rubric: Rubric, raters: Sequence[str]
) -> list[_Row]:
    """The rows of a CSV file with their records."""
    rows = []
    for (case, *given), grades in _read_grades(path, rubric, raters).items():
        named = {name: value for name, value in zip(_RUNS, given, strict=True) if value}
        found = [
            row
            for places, row in shown.get(case, ())
            if all(places.get(name) == slug(value) for name, value in named.items())
        ]
        if len(found) != 1:
            where = "no record" if not found else f"{len(found)} records"
            of = "".join(f", {name} {value!r}," for name, value in named.items())
            raise DataError(
                f"{path}: case {case!r}{of} is in {where}",
                "name with `records` the judgements that were graded, and where they are of"
                f" several runs, tell these apart in the CSV file ({', '.join(_RUNS)})",
            )
        rows.append((found[0], {name: median(values) for name, values in grades.items()}))
    return rows


def _read_grades(
    path: Path, rubric: Rubric, raters: Sequence[str]
) -> dict[tuple[str, ...], dict[str, list[float]]]:
    """(case, run's names or "") -> criterion -> grades of the raters that count."""
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
    found: dict[tuple[str, ...], dict[str, list[float]]] = {}
    for row in table.iter_rows(named=True):
        rater = row.get("rater") or ""
        if rater not in raters if raters else rater.startswith(_JUDGES):
            continue
        if wide:
            given = {name: row[name] for name in wide}
        else:
            given = {row.get("criterion") or names[0]: row["grade"]}
        for name, text in given.items():
            if name in names and text not in (None, ""):
                key = (row[case] or "", *(row.get(name) or "" for name in _RUNS))
                grades = found.setdefault(key, {})
                grades.setdefault(name, []).append(_number(text, path, row[case]))
    return found


def _number(text: str, path: Path, case: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise DataError(
            f"{path}: case {case!r}: the grade {text!r} is no number",
            "leave it empty where there is no grade",
        ) from None


def _labels(found: Sequence[_Row], rubric: Rubric, catalog: Catalog) -> TrainingLabels:
    known: dict[str, str] = {}
    for item, title in zip(catalog.ids, catalog.texts.get("title", catalog.ids), strict=True):
        known.setdefault(_flat(title or item), item)
    exhibits, unknown, lines, guessed = [], 0, 0, 0
    for number, (row, _) in enumerate(found):
        events = [_event(line, known) for line in row["history"]]  # type: ignore[attr-defined]
        unknown += events.count(None) + (row["item"] not in catalog.index)
        lines += len(events) + 1
        history = tuple(event for event in events if event is not None)
        case, user = str(row["case_id"]), row.get("user")
        guessed += user is None
        # The records do not say which candidates there were.
        request = Request(case, _user(case) if user is None else str(user), history, ())
        exhibits.append(JudgeInput(str(number), request, str(row["item"]), str(row["rationale"])))
    if unknown > _MOST_UNKNOWN * lines:
        raise DataError(
            f"{unknown} of {lines} items in the labels are not in this catalogue",
            "distil from labels of the same dataset, or save what was distilled and give `model`",
        )
    grades = {
        criterion.name: [given.get(criterion.name, float("nan")) for _, given in found]
        for criterion in rubric.criteria
    }
    return TrainingLabels(exhibits, grades, guessed)


def _user(case: str) -> str:
    """Whose case it is, by its name: older records do not say.

    >>> [_user(case) for case in ("test:ann", "test:ann#2", "c1")]
    ['ann', 'ann', 'c1']
    """
    found = _CASE.fullmatch(case)
    return found[1] if found else case


def _event(line: str, known: Mapping[str, str]) -> Event | None:
    """A line of the history as the event that it was; None where the catalogue has no such title.

    Titles can hold what stands between the parts, so the longest title that is one is taken.
    """
    parts = line.split(_BETWEEN)
    for cut in range(len(parts), 0, -1):
        item = known.get(_BETWEEN.join(parts[:cut]))
        if item is None:
            continue
        rest = parts[cut:]
        rating = _stars(rest[0]) if rest else None
        review = _BETWEEN.join(rest if rating is None else rest[1:])
        return Event(item, rating, None, review or None)
    return None


def _stars(text: str) -> float | None:
    if text.startswith("rated "):
        try:
            return float(text.removeprefix("rated "))
        except ValueError:
            return None
    return _STARS.get(text)


def _flat(text: str) -> str:
    return " ".join(text.split())
