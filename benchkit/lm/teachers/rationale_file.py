"""Rationales in files: written once, read back as a teacher."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, computed_field

from benchkit import io
from benchkit.config.loading import validate_model
from benchkit.errors import DataError
from benchkit.lm.cost_estimate import CostEstimate
from benchkit.lm.teachers.base import (
    NoRationaleError,
    Rationale,
    Teacher,
    TeacherQuestion,
    TeacherSettings,
)
from benchkit.types import Catalog, Status


class FileTeacherConfig(TeacherSettings):
    """Rationales from a JSON-lines file, as `benchkit rationales` writes it or others publish it.

    Each line has `key` (or `user`), `item` and `text` (or `rationale`), and may have `score` (1 to
    7), `status`, `remark`, `models` and other fields.
    """

    kind: Literal["file"] = "file"
    path: Path
    """The file; in a suite of several datasets, `{dataset}` in it is the name of each."""

    @computed_field  # type: ignore[prop-decorator]
    @property
    def models(self) -> list[str]:
        """Return the language models that the file names as its authors.

        They are part of a run's settings; there are none where the file cannot be read.
        """
        try:
            return list(FileTeacher(self).models)
        except DataError:
            return []


class RationaleLine(BaseModel):
    """A line of a file of rationales; `teacher` names who wrote it, where the file says so."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    key: str = Field(min_length=1, validation_alias=AliasChoices("key", "user"))
    item: str = Field(min_length=1)
    text: str | None = Field(default=None, validation_alias=AliasChoices("text", "rationale"))
    score: float | None = Field(default=None, ge=1, le=7)
    status: Status = "ok"
    teacher: str = ""
    remark: str = ""
    models: tuple[str, ...] = ()
    meta: dict[str, Any] = Field(default_factory=dict)


class FileTeacher:
    """Gives the rationales of a file. Raises DataError when the file is not of this form.

    `caveat` and `models` repeat what the file says of the origin of its rationales.
    """

    Config = FileTeacherConfig

    def __init__(self, config: FileTeacherConfig) -> None:
        self._path = config.path
        self._rationales: dict[tuple[str, str], Rationale] = {}
        remarks: dict[str, None] = {}
        models: dict[str, None] = {}
        for number, row in read_lines(config.path):
            if (row.key, row.item) in self._rationales:
                raise DataError(
                    f"{config.path}, line {number}: {row.key!r} has item {row.item!r} twice",
                    "leave one rationale for each customer and item",
                )
            remarks |= {row.remark: None} if row.remark else {}
            models |= dict.fromkeys(row.models)
            text = row.text if row.status == "ok" else None
            rationale = Rationale(row.key, row.item, text, row.score, row.status, row.meta)
            self._rationales[row.key, row.item] = rationale
        self.models = tuple(models)
        self.name = f"file/{config.path.name}"
        self.caveat = "; ".join(remarks) or f"rationales from the file {config.path.name}"

    @classmethod
    def from_config(
        cls,
        config: FileTeacherConfig,
        cache_dir: Path | None,  # noqa: ARG003
        make_engine: object,  # noqa: ARG003
    ) -> Self:
        """Build the teacher of a configuration."""
        return cls(config)

    def write(self, questions: Sequence[TeacherQuestion], catalog: Catalog) -> Iterator[Rationale]:  # noqa: ARG002
        """Yield rationales as `Teacher.write`; those that the file lacks have status `error`.

        Raises:
            NoRationaleError: The file lacks all of them.
        """
        if questions and not any((q.key, q.item) in self._rationales for q in questions):
            raise NoRationaleError(
                f"{self._path} has no rationale for any of {len(questions)} questions",
                f"is it of this dataset? It should have, e.g., key {questions[0].key!r} and item"
                f" {questions[0].item!r}",
            )
        for question in questions:
            missing = Rationale(
                question.key, question.item, None, None, "error", {"why": "not in the file"}
            )
            yield self._rationales.get((question.key, question.item), missing)

    def estimate(self, questions: Sequence[TeacherQuestion], catalog: Catalog) -> CostEstimate:  # noqa: ARG002
        """Return a cost of zero, with the number of questions that the file answers."""
        n_stored = sum((q.key, q.item) in self._rationales for q in questions)
        return CostEstimate(0, 0, 0, 0.0, n_stored)


def write_rationales(
    path: Path, rationales: Iterable[Rationale], teacher: Teacher
) -> Counter[Status]:
    """Write rationales as JSON lines, each with its origin; return the counts of their statuses.

    The file is written completely or not at all.

    Raises:
        StoreError: It cannot be written.
    """
    counts: Counter[Status] = Counter()
    with io.temporary_file(path) as temporary:
        file = temporary.open("w", encoding="utf-8", newline="\n")
        try:
            for rationale in rationales:  # whose errors are the teacher's
                counts[rationale.status] += 1
                row = {
                    "key": rationale.key,
                    "item": rationale.item,
                    "text": rationale.text,
                    "score": None if rationale.score is None else round(rationale.score, 6),
                    "status": rationale.status,
                    "teacher": teacher.name,
                    "remark": teacher.caveat,
                    "models": list(teacher.models),
                    "meta": dict(rationale.meta),
                }
                line = json.dumps(row, ensure_ascii=False, allow_nan=False)
                with io.wrap_io_errors(path):
                    file.write(line + "\n")
        finally:
            with io.wrap_io_errors(path):  # writes what is left of the lines
                file.close()
    return counts


def read_lines(path: Path) -> Iterator[tuple[int, RationaleLine]]:
    """Yield the lines of a file with their numbers, but for empty ones.

    Raises:
        DataError: The file cannot be read, or a line is not of the form.
    """
    for number, line in enumerate(_read_text(path).split("\n"), 1):
        if line.strip():
            yield number, _parse_line(line, f"{path}, line {number}")


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read: {error}", "check the path") from None


def _parse_line(line: str, where: str) -> RationaleLine:
    row = validate_model(RationaleLine, line, where, error=DataError, hint="one JSON object a line")
    if row.status == "ok" and not (row.text or "").strip():
        raise DataError(f"{where}: no text", 'give it a text, or a status other than "ok"')
    return row
