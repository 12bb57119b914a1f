"""Rationales in files: written once, read back as a teacher."""

import json
import os
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, computed_field

from benchkit import io
from benchkit.config.loading import validate_model
from benchkit.errors import DataError
from benchkit.lm.cost_estimate import CostEstimate
from benchkit.lm.teachers.base import NoRationaleError, Rationale, Teacher, TeacherQuestion
from benchkit.types import Catalog, Status


class FileTeacherConfig(BaseModel):
    """Rationales from a JSON-lines file, as `benchkit teach` writes it or as others publish it.

    Each line has `key` (or `user`), `item` and `text` (or `rationale`), and may have `score` (1 to
    7), `status`, `remark`, `models` and other fields.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["file"] = "file"
    path: Path

    @computed_field  # type: ignore[prop-decorator]
    @property
    def models(self) -> list[str]:
        """The language models that the file says wrote it, so that a run's settings name them;
        none where it cannot be read."""
        try:
            return list(FileTeacher(self).models)
        except DataError:
            return []


class _Line(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True, populate_by_name=True)

    key: str = Field(min_length=1)
    item: str = Field(min_length=1)
    text: str | None = None
    score: float | None = Field(default=None, ge=1, le=7)
    status: Status = "ok"
    remark: str = ""
    models: tuple[str, ...] = ()
    meta: dict[str, Any] = Field(default_factory=dict)


class FileTeacher:
    """Gives the rationales of a file. Raises DataError when the file is not of this form.

    `remark` and `models` repeat what the file says of where its rationales come from.
    """

    def __init__(self, config: FileTeacherConfig) -> None:
        self._path = config.path
        self._rationales: dict[tuple[str, str], Rationale] = {}
        caveats: dict[str, None] = {}
        models: dict[str, None] = {}
        for number, line in enumerate(_lines(config.path), 1):
            if not line.strip():
                continue
            row = _row(line, f"{config.path}, line {number}")
            if (row.key, row.item) in self._rationales:
                raise DataError(
                    f"{config.path}, line {number}: {row.key!r} has item {row.item!r} twice",
                    "leave one rationale for each customer and item",
                )
            caveats.setdefault(row.remark)
            models |= dict.fromkeys(row.models)
            text = row.text if row.status == "ok" else None
            answer = Rationale(row.key, row.item, text, row.score, row.status, row.meta)
            self._rationales[row.key, row.item] = answer
        self.models = tuple(models)
        self.name = f"file/{config.path.name}"
        said = "; ".join(remark for remark in caveats if remark)
        self.caveat = said or f"rationales from the file {config.path.name}"

    def write(self, questions: Sequence[TeacherQuestion], catalog: Catalog) -> Iterator[Rationale]:  # noqa: ARG002
        """As `Teacher.write`; questions that the file lacks have status `error`.

        Raises NoRationaleError when it lacks all of them.
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
        found = sum((q.key, q.item) in self._rationales for q in questions)
        return CostEstimate(0, 0, 0, 0.0, found)


def write_rationales(
    path: Path, rationales: Iterable[Rationale], teacher: Teacher
) -> Counter[Status]:
    """Write rationales as JSON lines, each saying where it comes from; returns their statuses.

    The file is there whole or not at all. Raises StoreError when it cannot be written.
    """
    counts: Counter[Status] = Counter()
    with io.wrap_io_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    temporary = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
            for one in rationales:
                counts[one.status] += 1
                row = {
                    "key": one.key,
                    "item": one.item,
                    "text": one.text,
                    "score": None if one.score is None else round(one.score, 6),
                    "status": one.status,
                    "teacher": teacher.name,
                    "remark": teacher.caveat,
                    "models": list(teacher.models),
                    "meta": dict(one.meta),
                }
                line = json.dumps(row, ensure_ascii=False, allow_nan=False)
                with io.wrap_io_errors(path):
                    file.write(line + "\n")
        with io.wrap_io_errors(path):
            temporary.chmod(0o644)
        io.move_into_place(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    return counts


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read: {error}", "check the path") from None


def _row(line: str, where: str) -> _Line:
    try:
        values = json.loads(line)
        if not isinstance(values, dict):
            raise DataError(f"{where}: is no JSON object", "one object a line")
        names = {"user": "key", "rationale": "text"}
        for theirs, ours in names.items():
            if theirs in values:
                values.setdefault(ours, values[theirs])
    except json.JSONDecodeError as error:
        raise DataError(f"{where}: {error}", "one JSON object a line") from None
    row = validate_model(_Line, values, where, error=DataError, hint="correct the line")
    if row.status == "ok" and not (row.text or "").strip():
        raise DataError(f"{where}: no text", 'give it a text, or a status other than "ok"')
    return row
