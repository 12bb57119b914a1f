"""Preferences in words: a request, the item that was chosen, and items that were not.

With a teacher each item has a rationale and a coherence score. C-APO (section 3.1) calls the
rejected item with the higher score hard and the other easy. Preferences can be written to and read
from JSON lines, so that a published set can be trained on instead.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import Any, Literal

from pydantic import TypeAdapter, ValidationError

from benchkit import files, seeds
from benchkit.errors import DataError
from benchkit.lm.teachers.base import Question, Rationale
from benchkit.protocols import Event, Request


@dataclass(frozen=True)
class Choice:
    """An item with what a teacher says for it; score: coherence, 1 to 7."""

    item: str
    rationale: str | None = None
    score: float | None = None


@dataclass(frozen=True)
class Preference:
    """The chosen item before the rejected ones. rejected: the best (hard) first where ranked."""

    key: str
    history: tuple[Event, ...]
    candidates: tuple[str, ...]
    chosen: Choice
    rejected: tuple[Choice, ...]

    @property
    def request(self) -> Request:
        """The question that a recommender would be asked."""
        return Request(self.key, self.key, self.history, self.candidates)

    @property
    def choices(self) -> tuple[Choice, ...]:
        """Chosen and rejected."""
        return (self.chosen, *self.rejected)


@dataclass(frozen=True)
class Counts:
    """How preferences were made.

    asked: users. incomplete: an item had no usable rationale. tied: the rejected scores were
    equal. kept: preferences. conflicts: share of those in which a rejected item is more coherent
    than the chosen one (C-APO, figure 3). weak: share whose chosen item scores below 4.
    """

    asked: int
    incomplete: int
    tied: int
    kept: int
    conflicts: float
    weak: float


def preferences(
    questions: Sequence[Question], rationales: Sequence[Rationale] | None = None
) -> list[Preference]:
    """One for each user: the first question is about the chosen item, the others about rejected.

    rationales: aligned with the questions, or None for items alone.
    """
    said = list(rationales) if rationales is not None else [None] * len(questions)
    result = []
    pairs = zip(questions, said, strict=True)
    for key, group in groupby(pairs, key=lambda pair: pair[0].key):
        own = list(group)
        first = own[0][0]
        choices = [Choice(q.item) if r is None else Choice(q.item, r.text, r.score) for q, r in own]
        result.append(
            Preference(key, first.history, first.candidates, choices[0], tuple(choices[1:]))
        )
    return result


def ranked(
    found: Iterable[Preference], ties: Literal["drop", "random"] = "drop", seed: int = 0
) -> tuple[list[Preference], Counts]:
    """Those with a rationale and a score for each item, rejected ones by falling score.

    ties: what is done where two rejected items have the same score.
    """
    kept, asked, incomplete, tied, conflicts, weak = [], 0, 0, 0, 0, 0
    for own in found:
        asked += 1
        scores = [choice.score for choice in own.choices]
        if any(c.rationale is None or c.score is None for c in own.choices):
            incomplete += 1
            continue
        rejected = [float(score or 0) for score in scores[1:]]
        if len(set(rejected)) < len(rejected):
            tied += 1
            if ties == "drop":
                continue
        draws = seeds.generator("ties", seed, own.key).random(len(rejected))
        order = sorted(range(len(rejected)), key=lambda k: (-rejected[k], draws[k]))
        kept.append(replace(own, rejected=tuple(own.rejected[k] for k in order)))
        chosen = float(scores[0] or 0)
        conflicts += max(rejected) > chosen
        weak += chosen < 4
    n = max(1, len(kept))
    return kept, Counts(asked, incomplete, tied, len(kept), conflicts / n, weak / n)


def write_preferences(path: Path, found: Iterable[Preference]) -> int:
    """Write one JSON object a line; returns how many."""
    lines = [json.dumps(_plain(own), ensure_ascii=False) for own in found]
    files.write_text(path, "".join(line + "\n" for line in lines))
    return len(lines)


def read_preferences(path: Path) -> list[Preference]:
    """What `write_preferences` wrote. Raises DataError naming the line that is wrong."""
    known = TypeAdapter(Preference)
    found = []
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error}", "check the path") from None
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            found.append(known.validate_json(line))
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"]))
            raise DataError(
                f"{path}, line {number}: {where}: {first['msg']}", "correct the file"
            ) from None
    if not found:
        raise DataError(f"{path}: no preference in it", "is it the right file?")
    return found


def check_known(found: Sequence[Preference], ids: Iterable[str], path: Path) -> None:
    """Raise DataError when a preference speaks of an item that the catalogue does not have."""
    known = set(ids)
    for own in found:
        items = [*(c.item for c in own.choices), *own.candidates, *(e.item for e in own.history)]
        strange = [item for item in items if item not in known]
        if strange:
            raise DataError(
                f"{path}: preference {own.key!r} names item {strange[0]!r}, which is not in the"
                " catalogue",
                "is it a file of this dataset?",
            )


def _plain(own: Preference) -> dict[str, Any]:
    return {**asdict(own), "history": [list(event) for event in own.history]}
