"""Preferences as JSON lines, so that a published set can be trained on, and their validation."""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

from benchkit import io
from benchkit.config.loading import validate_model
from benchkit.errors import DataError
from benchkit.training.preference.examples import Preference
from benchkit.types import TrainView


def write_preferences(path: Path, preferences: Iterable[Preference], remark: str = "") -> int:
    """Write one JSON object per line, and return how many; `remark` says where they come from."""
    extra = {"remark": remark} if remark else {}
    lines = []
    for preference in preferences:
        history = [list(event) for event in preference.history]
        row = {**asdict(preference), "history": history, **extra}
        lines.append(json.dumps(row, ensure_ascii=False) + "\n")
    io.write_text(path, "".join(lines))
    return len(lines)


def read_preferences(path: Path) -> list[Preference]:
    """Read preferences; raise DataError naming the line that is wrong."""
    preferences = [
        validate_model(Preference, line, f"{path}, line {number}", error=DataError)
        for number, line in _lines(path)
    ]
    if not preferences:
        raise DataError(f"{path}: it has no preferences", "check that it is the right file")
    return preferences


def read_caveats(path: Path) -> tuple[str, ...]:
    """Return the distinct remarks of a file's lines on where they come from."""
    remarks: dict[str, None] = {}
    for number, line in _lines(path):
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            raise DataError(f"{path}, line {number}: {error}", "correct the file") from None
        if isinstance(row, dict) and row.get("remark"):
            remarks.setdefault(str(row["remark"]))
    return tuple(remarks)


def check_imported_preferences(
    preferences: Sequence[Preference], data: TrainView, path: Path
) -> int:
    """Validate preferences against the data, and return how many are of unknown users.

    Those of unknown users cannot be checked against training interactions.

    Raises:
        DataError: A key occurs twice; an item occurs twice in one preference or is not in the
            catalogue; or a chosen item or an event of a history is not a training interaction of
            its user, so that it may be what is asked later.
    """
    users = {user: code for code, user in enumerate(data.users)}
    index, keys, unknown_users = data.catalog.index, set[str](), 0
    for preference in preferences:
        where = f"{path}: preference {preference.key!r}"
        if preference.key in keys:
            raise DataError(f"{where} occurs twice", "give each preference a key of its own")
        keys.add(preference.key)
        items = [choice.item for choice in preference.choices]
        if len(set(items)) < len(items):
            raise DataError(f"{where} has an item twice", "use rejected items that differ")
        past = [event.item for event in preference.history]
        missing = [item for item in (*preference.candidates, *past) if item not in index]
        if missing:
            raise DataError(
                f"{where} names item {missing[0]!r}, which is not in the catalogue",
                "check that the file belongs to this dataset",
            )
        if preference.key not in users:
            unknown_users += 1
            continue
        taken = set(data.interactions.sequence(users[preference.key]).tolist())
        leaks = [item for item in (preference.chosen.item, *past) if index[item] not in taken]
        if leaks:
            raise DataError(
                f"{where} has item {leaks[0]!r} as chosen or in its history, which is not one of"
                " the user's training interactions",
                "leave it out: training on what is asked later makes all results worthless",
            )
    return unknown_users


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the lines that are not empty, with their numbers."""
    try:
        with path.open(encoding="utf-8") as file:
            for number, line in enumerate(file, start=1):
                if line.strip():
                    yield number, line
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read: {error}", "check the path") from None
