"""Files that preference training left beside a run, as models."""

from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel

from benchkit.config.loading import validate_model
from benchkit.errors import StoreError
from benchkit.files.disk_faults import read_hint

ModelT = TypeVar("ModelT", bound=BaseModel)


def read_artifact(path: Path, model: type[ModelT]) -> ModelT:
    """Read a JSON file. Raises StoreError, which lists everything that is wrong with it."""
    return _parse(str(path), _read_text(path), model)


def read_artifact_lines(path: Path, model: type[ModelT]) -> list[ModelT]:
    """Read a JSONL file. Raises StoreError naming the line that is wrong.

    A last line without its end is left out: it is being written, or the run was cut off there.
    """
    text = _read_text(path)
    complete = text[: text.rfind("\n") + 1]
    return [
        _parse(f"{path}, line {number}", line, model)
        for number, line in enumerate(complete.split("\n"), start=1)
        if line.strip()
    ]


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise StoreError(
            f"{path}: cannot be read: {error}", read_hint(error, "delete it")
        ) from None


def _parse(where: str, text: str, model: type[ModelT]) -> ModelT:
    return validate_model(model, text, where, error=StoreError, hint="delete it")
