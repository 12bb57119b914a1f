"""The file of anchors: the answers as a judge sees them, and what each version said of them.

It needs neither the runs nor the data any more: histories, titles and rationales are in it.
"""

import json
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from benchkit import io
from benchkit.errors import ConfigError, DataError
from benchkit.judging.verdicts import JudgeInput
from benchkit.rating_scale import RatingScale
from benchkit.types import Catalog, Event, Request


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Anchor(_Record):
    """One answer, as a judge sees it."""

    key: str
    method: str
    """Which gave it; no judge sees it."""
    user: str
    history: tuple[tuple[str, float | None, str | None], ...]
    """Item, rating and review, oldest first."""
    candidates: tuple[str, ...]
    item: str
    rationale: str
    target: str | None = None

    def judge_input(self) -> JudgeInput:
        """Return what a judge sees of it."""
        events = tuple(Event(item, rating, None, review) for item, rating, review in self.history)
        request = Request(self.key, self.user, events, self.candidates)
        return JudgeInput(self.key, request, self.item, self.rationale, self.target)


class AnchorVersion(_Record):
    """What one version of a judge said of the anchors."""

    name: str
    judge: str
    """Its name or place, as in a suite."""
    models: tuple[str, ...]
    judged: str
    """When, in UTC."""
    grades: dict[str, dict[str, float]]
    """Key -> criterion -> grade; without the anchors that it gave no grade."""
    usage: dict[str, float] = Field(default_factory=dict)


class AnchorSet(_Record):
    """Anchors and the versions that judged them, in the order of time."""

    rubric: str
    rubric_hash: str
    rating_scale: tuple[float, float, bool] | None
    """Lowest and highest rating, and whether there are only these; None without ratings."""
    titles: dict[str, str | None]
    """Of all items that anchors speak of."""
    anchors: tuple[Anchor, ...] = Field(min_length=2)
    versions: tuple[AnchorVersion, ...] = ()

    def catalog(self) -> Catalog:
        """Return the items that anchors speak of."""
        scale = None if self.rating_scale is None else RatingScale(*self.rating_scale)
        return Catalog(tuple(self.titles), {"title": tuple(self.titles.values())}, scale)


def read_anchors(path: Path) -> AnchorSet:
    """Read a file of anchors.

    Raises:
        ConfigError: It cannot be read.
        DataError: It is no such file.
    """
    try:
        values: Any = json.loads(path.read_text(encoding="utf-8"))
        return AnchorSet.model_validate(values)
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}", "correct the path") from None
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        problem = f"{path}: {place}: {first['msg']}"
    except (ValueError, RecursionError) as error:
        problem = f"{path}: no JSON object: {error}"
    raise DataError(problem, "a file of anchors is written by benchkit anchors")


def write_anchors(anchors: AnchorSet, path: Path) -> None:
    """Write a file of anchors."""
    io.write_json(path, anchors.model_dump(mode="json"))
