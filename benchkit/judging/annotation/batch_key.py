"""The key of a batch: what its pages hide, and what reading the labels needs."""

import json
from collections.abc import Mapping
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
_HINT = "give the key.json that came with the pages"


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class KeyJudge(_Part):
    """A judge of the batch."""

    rubric: str
    rubric_hash: str
    comparable: tuple[str, ...]
    """Criteria that people grade as the judge did."""


class KeyStratum(_Part):
    """A stratum of the sample."""

    suite: str
    task: str
    method: str
    grade: int | None
    """None for no grade, and where the sample is not balanced over grades."""
    size: int
    """Answers in the population."""
    share: float
    """Answers drawn in expectation."""
    drawn: int
    """Answers drawn."""


class KeyItem(_Part):
    """The answer that an id stands for."""

    suite: str
    task: str
    method: str
    run_id: str
    case_id: str
    item: str
    target: str
    grades: dict[str, dict[str, float]]
    """Judge -> criterion -> grade."""
    weight: float
    """1 / inclusion probability."""
    user: str = ""
    """Whose case it is; keys before schema 4 do not say."""


class KeySide(_Part):
    """One of the two answers of a pair."""

    method: str
    run_id: str
    item: str


class PairItem(_Part):
    """The pair of answers that an id stands for."""

    suite: str
    task: str
    case_id: str
    user: str
    shown: tuple[KeySide, KeySide]
    """In the order of the page: A, then B."""
    weight: float
    """1 / inclusion probability."""


class BatchKey(_Part):
    """Everything about a batch."""

    schema_version: int = records.SCHEMA_VERSION
    batch: str
    seed: int
    n_requested: int = Field(alias="asked")
    """Number of answers that were to be drawn."""
    overlap: float
    scheme: str
    rubric: Rubric
    rubric_hash: str
    annotators: dict[str, tuple[str, ...]] = Field(min_length=1)
    """Name -> the ids on their page, in its order."""
    judges: dict[str, KeyJudge]
    strata: tuple[KeyStratum, ...]
    items: dict[str, KeyItem]
    pairs: dict[str, PairItem] = Field(default_factory=dict)
    """Of pairwise pages, which have no items."""

    @cached_property
    def assigned(self) -> dict[str, frozenset[str]]:
        """Annotator -> ids, to look up."""
        return {name: frozenset(ids) for name, ids in self.annotators.items()}


def read_key(path: Path) -> BatchKey:
    """Return the key at `path`. Raises DataError where it is none."""
    values = _read_json(path)
    records.check_schema(values.get("schema_version"), str(path))
    return validate_model(BatchKey, values, str(path), error=DataError, hint=_HINT)


def write_key(key: BatchKey, folder: Path) -> Path:
    """Write `folder`/key.json. Raises ConfigError rather than replace the key of another batch."""
    path = folder / KEY_FILE
    if path.exists() and (old := _read_json(path).get("batch")) != key.batch:
        raise ConfigError(
            f"{path} is the key of another batch ({old}); without it labels of that batch are lost",
            "choose another folder with --out",
        )
    io.write_json(path, key.model_dump(mode="json", by_alias=True))
    return path


def write_batch_files(key: BatchKey, pages: Mapping[str, str], folder: Path) -> list[Path]:
    """Write key.json and <annotator>.html; return their paths.

    Args:
        key: The batch's key.
        pages: Annotator -> HTML.
        folder: Where they go.

    Raises:
        ConfigError: The folder has the key of another batch.
    """
    paths = [write_key(key, folder)]
    for annotator, html in pages.items():
        paths.append(folder / f"{annotator}.html")
        io.write_text(paths[-1], html)
    return paths


def _read_json(path: Path) -> dict[str, Any]:
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DataError(f"there is no file {path}", "check the path") from None
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: {error}", "check that the file is complete") from None
    if not isinstance(values, dict):
        raise DataError(f"{path}: is not a key", _HINT)
    return values
