"""The key of a batch: what its pages hide, and what reading the labels needs."""

import json
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from benchkit import io
from benchkit.config.loading import validate_model
from benchkit.errors import ConfigError, DataError
from benchkit.judging.rubric import Rubric
from benchkit.runs import records

KEY_FILE = "key.json"


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class KeyJudge(_Part):
    """A judge of the batch. comparable: criteria that people grade as the judge did."""

    rubric: str
    rubric_hash: str
    comparable: tuple[str, ...]


class KeyStratum(_Part):
    """grade: None for no grade, and where the sample is not balanced over grades.

    size: exhibits in the population; share: how many are drawn in expectation; drawn: were.
    """

    suite: str
    task: str
    method: str
    grade: int | None
    size: int
    share: float
    drawn: int


class KeyItem(_Part):
    """What an id stands for. grades: judge -> criterion -> grade; weight: 1 / its probability."""

    suite: str
    task: str
    method: str
    run_id: str
    case_id: str
    item: str
    target: str
    grades: dict[str, dict[str, float]]
    weight: float


class BatchKey(_Part):
    """Everything about a batch. annotators: name -> the ids on their page, in its order."""

    schema_version: int = records.SCHEMA_VERSION
    batch: str
    seed: int
    asked: int
    overlap: float
    scheme: str
    rubric: Rubric
    rubric_hash: str
    annotators: dict[str, tuple[str, ...]] = Field(min_length=1)
    judges: dict[str, KeyJudge]
    strata: tuple[KeyStratum, ...]
    items: dict[str, KeyItem]

    @cached_property
    def assigned(self) -> dict[str, frozenset[str]]:
        """Annotator -> ids, to look up."""
        return {name: frozenset(ids) for name, ids in self.annotators.items()}


def read_key(path: Path) -> BatchKey:
    """The key at `path`. Raises DataError where it is none."""
    values = _json(path)
    records.check_schema(values.get("schema_version"), str(path))
    hint = "give the key.json that came with the pages"
    return validate_model(BatchKey, values, str(path), error=DataError, hint=hint)


def write_key(key: BatchKey, folder: Path) -> Path:
    """Write `folder`/key.json. Raises ConfigError rather than replace the key of another batch."""
    path = folder / KEY_FILE
    if path.exists() and (old := _json(path).get("batch")) != key.batch:
        raise ConfigError(
            f"{path} is the key of another batch ({old}); without it labels of that batch are lost",
            "choose another folder with --out",
        )
    io.write_json(path, key.model_dump(mode="json"))
    return path


def _json(path: Path) -> dict[str, Any]:
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DataError(f"there is no file {path}", "check the path") from None
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: {error}", "check that the file is whole") from None
    if not isinstance(values, dict):
        raise DataError(f"{path}: is no key", "give the key.json that came with the pages")
    return values
