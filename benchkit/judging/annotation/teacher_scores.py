"""What a teacher wrote to train with, as answers that people can grade beside its own scores.

Reference:
    C-APO, appendix D: people grade a sample of a teacher's coherence scores on its scale, 1 to 7.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchkit.data.request_batch import TrainData
from benchkit.errors import DataError
from benchkit.fingerprint import hash_file
from benchkit.judging.annotation.population import GradedAnswer, Population
from benchkit.judging.inputs import history_lines
from benchkit.judging.rubric import Rubric, load_rubric
from benchkit.lm.teachers.questions import events_before
from benchkit.lm.teachers.rationale_file import RationaleLine, read_lines
from benchkit.types import Event

TEACHER_RUBRIC = "coherence-1-7"


@dataclass(frozen=True)
class RationaleFile:
    """A file that `benchkit rationales` wrote, and the data that it was written about."""

    path: Path
    suite: str
    view: TrainData


def collect_rationales(files: Sequence[RationaleFile], rubric: Rubric | None = None) -> Population:
    """Collect the rationales with a score, each teacher in the place of a judge.

    Args:
        files: The files.
        rubric: What people grade by; by default the teachers' scale.

    Raises:
        DataError: A file is of other data, or no rationale has a score.
    """
    scale = load_rubric(TEACHER_RUBRIC)
    answers = [answer for file in files for answer in _read_answers(file, scale)]
    if not answers:
        raise DataError(
            f"no rationale with a score in {', '.join(str(file.path) for file in files)}",
            "write them by a teacher that gives scores (benchkit rationales)",
        )
    teachers = {answer.method for answer in answers}
    return Population(
        tuple(sorted(answers, key=lambda answer: answer.key)),
        dict.fromkeys(sorted(teachers), scale),
        rubric or scale,
    )


def _read_answers(file: RationaleFile, scale: Rubric) -> list[GradedAnswer]:
    """Return the rationales of a file as answers, with the histories that they are about."""
    catalog, content = file.view.catalog, str(hash_file(file.path))[:16]
    validation = {
        case.request.case_id: (case.request.user, case.request.history)
        for case in file.view.validation
    }
    users = {user: code for code, user in enumerate(file.view.users)}
    answers = []
    for number, row in read_lines(file.path):
        if row.text is None or row.status != "ok" or row.score is None:
            continue
        where = f"{file.path}, line {number}"
        user, history = _find_history(row, file.view, users, validation, where)
        if row.item not in catalog.index:
            raise _other_data_error(where, f"item {row.item!r}", file.view)
        title = catalog.text(row.item) or row.item
        teacher = row.teacher or f"file/{file.path.name}"
        grades = {teacher: {scale.main.name: row.score}}
        answers.append(
            GradedAnswer(
                file.suite, file.view.name, teacher, content, row.key, row.item, title, row.item,
                title, row.text, tuple(history_lines(history, catalog)), grades, user,
            )
        )  # fmt: skip
    return answers


def _find_history(
    row: RationaleLine,
    view: TrainData,
    users: Mapping[str, int],
    validation: Mapping[str, tuple[str, Sequence[Event]]],
    where: str,
) -> tuple[str, Sequence[Event]]:
    """Return the user of a question, and what came before its item."""
    if row.key in validation:
        return validation[row.key]
    if (code := users.get(row.key)) is None:
        raise _other_data_error(where, f"key {row.key!r}", view)
    stop = int(view.interactions.offsets[code + 1]) - 1  # the last interaction is what is explained
    return row.key, events_before(view, code, stop)


def _other_data_error(where: str, what: str, view: TrainData) -> DataError:
    return DataError(
        f"{where}: {what} is not in dataset {view.name!r}",
        "name the suite and the dataset that the file was written for",
    )
