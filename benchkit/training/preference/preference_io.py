"""Preferences as JSON lines, so that a published set can be trained on, and what it must hold."""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchkit import io
from benchkit.config.loading import validate_model
from benchkit.errors import DataError
from benchkit.training.preference.examples import Preference
from benchkit.types import TrainView


def write_preferences(path: Path, found: Iterable[Preference], remark: str = "") -> int:
    """Write one JSON object a line; returns how many. remark: where they come from, in words."""
    said = {"remark": remark} if remark else {}
    lines = [json.dumps(_plain(own) | said, ensure_ascii=False) for own in found]
    io.write_text(path, "".join(line + "\n" for line in lines))
    return len(lines)


def read_preferences(path: Path) -> list[Preference]:
    """What `write_preferences` wrote. Raises DataError naming the line that is wrong."""
    preferences = [
        validate_model(Preference, line, f"{path}, line {number}", error=DataError)
        for number, line in _lines(path)
    ]
    if not preferences:
        raise DataError(f"{path}: no preference in it", "is it the right file?")
    return preferences


def read_caveats(path: Path) -> tuple[str, ...]:
    """What the lines of a file say of where they come from, each remark once."""
    found: dict[str, None] = {}
    for number, line in _lines(path):
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            raise DataError(f"{path}, line {number}: {error}", "correct the file") from None
        if isinstance(row, dict) and row.get("remark"):
            found.setdefault(str(row["remark"]))
    return tuple(found)


def check_imported_preferences(found: Sequence[Preference], data: TrainView, path: Path) -> int:
    """How many preferences are of users who are not in `data`: these cannot be looked into.

    Raises DataError for a key or, in one preference, an item that is there twice; for an item that
    the catalogue lacks; and for a chosen item or an event of the history that is no training
    interaction of its user: it may be what is asked later.
    """
    users = {user: code for code, user in enumerate(data.users)}
    index, keys, strangers = data.catalog.index, set[str](), 0
    for own in found:
        where = f"{path}: preference {own.key!r}"
        if own.key in keys:
            raise DataError(f"{where} is there twice", "give each a key of its own")
        keys.add(own.key)
        items = [choice.item for choice in own.choices]
        if len(set(items)) < len(items):
            raise DataError(f"{where} has an item twice", "take items that are not chosen")
        past = [event.item for event in own.history]
        unknown = [item for item in (*own.candidates, *past) if item not in index]
        if unknown:
            raise DataError(
                f"{where} names item {unknown[0]!r}, which is not in the catalogue",
                "is it a file of this dataset?",
            )
        if own.key not in users:
            strangers += 1
            continue
        taken = set(data.interactions.sequence(users[own.key]).tolist())
        leaks = [item for item in (own.chosen.item, *past) if index[item] not in taken]
        if leaks:
            raise DataError(
                f"{where} has item {leaks[0]!r} as chosen or in its history, which is none of the"
                " user's training interactions",
                "leave it out: training on what is asked later makes all results worthless",
            )
    return strangers


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """Lines that are not empty, with their numbers."""
    try:
        with path.open(encoding="utf-8") as file:
            for number, line in enumerate(file, start=1):
                if line.strip():
                    yield number, line
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read: {error}", "check the path") from None


def _plain(own: Preference) -> dict[str, Any]:
    return {**asdict(own), "history": [list(event) for event in own.history]}
