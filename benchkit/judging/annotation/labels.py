"""Reading labels back: the CSV files that pages export, with the key, become one table."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from benchkit import io as files
from benchkit.csv_cells import write_rows
from benchkit.errors import DataError
from benchkit.io import folder_name
from benchkit.judging.annotation.batch_key import BatchKey
from benchkit.judging.annotation.exports import ExportRow, read_export
from benchkit.judging.annotation.pair_labels import PAIR_COLUMNS, pair_rows
from benchkit.runs.record_values import guess_users
from benchkit.runs.records import JUDGE_PREFIX
from benchkit.stats.agreement.synthetic_raters import SYNTHETIC

LABEL_COLUMNS = (
    "item", "rater", "criterion", "grade", "scale", "system", "task", "case_id", "cluster",
    "weight", "run_id",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class AnnotatorProgress:
    """How far an annotator got, in answers: assigned = complete + partial + skipped + untouched."""

    annotator: str
    name: str
    assigned: int
    complete: int
    partial: int
    skipped: int
    untouched: int
    notes: int
    seconds: float | None
    """Median time for an answer that is complete; None without any."""


@dataclass(frozen=True)
class AnnotationLabels:
    """The labels of a batch."""

    rows: tuple[tuple[str | float, ...], ...]
    """Values by the names of `LABEL_COLUMNS`, of pairs by those of `PAIR_COLUMNS`."""
    progress: tuple[AnnotatorProgress, ...]
    n_repeated: int
    """Rows that a later one replaced."""
    n_changed: int
    """Rows that one with another grade replaced."""


def read_annotation_labels(paths: Sequence[Path], key: BatchKey) -> AnnotationLabels:
    """Read the labels of all files, and those of the judges, answer by answer as in the key.

    Where an annotator gave a criterion of an answer twice, the last one read counts.

    Raises:
        DataError: Naming file and line, for what is not of this batch or no grade of the rubric.
    """
    entries = [entry for path in paths for entry in read_export(path, key)]
    _check_one_person_each(entries)
    last: dict[tuple[str, str, str], ExportRow] = {}
    repeated = changed = 0
    for entry in entries:
        label = entry.annotator, entry.id, entry.criterion
        if (old := last.get(label)) is not None:
            repeated += 1
            changed += old.grade != entry.grade
        last[label] = entry
    progress = tuple(
        _progress(name, [e for e in last.values() if e.annotator == name], key)
        for name in key.annotators
    )
    rows = (
        tuple(pair_rows(last, key))
        if key.pairs
        else tuple(row for identifier in key.items for row in _rows(identifier, last, key))
    )
    return AnnotationLabels(rows, progress, repeated, changed)


def write_annotation_labels(labels: AnnotationLabels, key: BatchKey, path: Path) -> list[Path]:
    """Write all labels to `path`; with several criteria also a file a criterion beside it.

    `benchkit agree` takes a file that holds one grade of a rater for an answer: `path` where the
    rubric has one criterion, otherwise the file of a criterion. It also reads the scale, the weight
    of each answer, the case, and the cluster from it: answers to the cases of one user are not
    independent.
    """
    header = PAIR_COLUMNS if key.pairs else LABEL_COLUMNS
    files.write_text(path, write_rows([header, *labels.rows]))
    paths = [path]
    names = [criterion.name for criterion in key.rubric.criteria]
    column = LABEL_COLUMNS.index("criterion")
    for name in names if len(names) > 1 else []:
        paths.append(path.with_name(f"{path.stem}-{folder_name(name)}{path.suffix}"))
        rows = [row for row in labels.rows if row[column] == name]
        files.write_text(paths[-1], write_rows([header, *rows]))
    return paths


def rater_name(entry: ExportRow) -> str:
    """Return what tables call an annotator; what is generated says so."""
    is_synthetic = entry.name.startswith(SYNTHETIC)
    return f"{SYNTHETIC} {entry.annotator}" if is_synthetic else entry.annotator


def _rows(
    identifier: str, last: Mapping[tuple[str, str, str], ExportRow], key: BatchKey
) -> Iterator[tuple[str | float, ...]]:
    item = key.items[identifier]
    for criterion in key.rubric.criteria:
        end = (
            f"{criterion.low}-{criterion.high}", item.method, item.task, item.case_id,
            f"{item.task}/{item.user or guess_users([item.case_id])[0]}", item.weight,
            item.run_id,
        )  # fmt: skip
        for annotator in key.annotators:
            entry = last.get((annotator, identifier, criterion.name))
            if entry is not None and entry.grade is not None:
                yield identifier, rater_name(entry), criterion.name, entry.grade, *end
        for label, judge in key.judges.items():
            grade = item.grades.get(label, {}).get(criterion.name)
            if grade is not None and criterion.name in judge.comparable:
                whole = int(grade) if grade.is_integer() else grade
                yield identifier, f"{JUDGE_PREFIX}{label}", criterion.name, whole, *end


def _check_one_person_each(entries: Iterable[ExportRow]) -> None:
    """Raise DataError for two people behind one page, who would be taken for one rater."""
    first: dict[str, ExportRow] = {}
    for entry in entries:
        if not entry.name:
            continue
        known = first.setdefault(entry.annotator, entry)
        if entry.name.casefold() != known.name.casefold():
            raise DataError(
                f"{entry.annotator} is {known.name!r} in {known.where}, and {entry.name!r} in"
                f" {entry.where}",
                "give each person a page of their own (--annotators); if it is one person,"
                " write the name the same way",
            )


def _progress(annotator: str, entries: Sequence[ExportRow], key: BatchKey) -> AnnotatorProgress:
    by_id: dict[str, list[ExportRow]] = {}
    for entry in entries:
        by_id.setdefault(entry.id, []).append(entry)
    states = Counter[str]()
    seconds = []
    for of_answer in by_id.values():
        if any(entry.skipped for entry in of_answer):
            states["skipped"] += 1
        elif sum(entry.grade is not None for entry in of_answer) == len(key.rubric.criteria):
            states["complete"] += 1
            seconds.append(max(entry.seconds for entry in of_answer))
        else:
            states["partial"] += 1
    assigned = len(key.annotators[annotator])
    return AnnotatorProgress(
        annotator,
        next((entry.name for entry in entries if entry.name), ""),
        assigned,
        states["complete"],
        states["partial"],
        states["skipped"],
        assigned - len(by_id),
        sum(any(entry.note for entry in of_answer) for of_answer in by_id.values()),
        median(seconds) if seconds else None,
    )
