"""The file of anchors: the answers as a judge sees them, and what each version said of them.

It needs neither the runs nor the data any more: histories, titles and rationales are in it.
"""

import json
import math
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from benchkit import io
from benchkit.errors import ConfigError, DataError
from benchkit.judging.rubric import Rubric
from benchkit.judging.validation import describe_wrong_grades
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
    caveats: tuple[str, ...] = ()
    """Of the judge: what a reader of its grades must know."""
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
    synthetic: bool = False
    """Whether the answers are to generated data."""

    def catalog(self) -> Catalog:
        """Return the items that anchors speak of."""
        scale = None if self.rating_scale is None else RatingScale(*self.rating_scale)
        return Catalog(tuple(self.titles), {"title": tuple(self.titles.values())}, scale)


def read_anchors(path: Path) -> AnchorSet:
    """Read a file of anchors.

    Raises:
        ConfigError: It cannot be read.
        DataError: It is no such file, or something stands in it twice, or is no grade of an anchor.
    """
    try:
        values: Any = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(values, dict):
            raise ValueError(f"it holds {json.dumps(values)[:40]}")
        anchors = AnchorSet.model_validate(values)
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}", "correct the path") from None
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        problem = f"{path}: {place}: {first['msg']}"
    except (ValueError, RecursionError) as error:
        problem = f"{path}: no JSON object: {error}"
    else:
        if fault := next(_find_faults(anchors), ""):
            raise DataError(f"{path}: {fault}", "correct the file, or draw new anchors")
        return anchors
    raise DataError(problem, "a file of anchors is written by benchkit anchors")


def check_grades(anchors: AnchorSet, rubric: Rubric, path: Path) -> None:
    """Check that versions have just the grades of a rubric, if it is that of the anchors.

    Raises:
        DataError: A grade is of another criterion, missing, or off the scale.
    """
    for version in anchors.versions if rubric.hash == anchors.rubric_hash else ():
        for key, grades in version.grades.items():
            problem = describe_wrong_grades(grades, rubric)
            if problem:
                raise DataError(
                    f"{path}: version {version.name!r}: anchor {key!r}: {problem}",
                    "correct the file, or draw new anchors",
                )


def _find_faults(anchors: AnchorSet) -> Iterator[str]:
    """Yield what is wrong in a file of anchors, whatever the rubric."""
    for key in _repeated(anchor.key for anchor in anchors.anchors):
        yield f"anchor {key!r} stands in it twice"
    for name in _repeated(version.name for version in anchors.versions):
        yield f"version {name!r} stands in it twice"
    keys = {anchor.key for anchor in anchors.anchors}
    for version in anchors.versions:
        for key, grades in version.grades.items():
            place = f"version {version.name!r}: anchor {key!r}"
            if key not in keys:
                yield f"{place}: there is no such anchor"
            for criterion, grade in grades.items():
                if not math.isfinite(grade):
                    yield f"{place}: {criterion} {grade} is no grade"


def _repeated(names: Iterable[str]) -> list[str]:
    return [name for name, count in Counter(names).items() if count > 1]


def write_anchors(anchors: AnchorSet, path: Path) -> None:
    """Write a file of anchors."""
    io.write_json(path, anchors.model_dump(mode="json"))
