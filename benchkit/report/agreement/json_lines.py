"""Read JSON lines as a table of texts, also with the NaN that pandas and Python's json write."""

import json
from pathlib import Path
from typing import Any

import polars as pl

from benchkit.errors import DataError


def read_json_lines(path: Path) -> pl.DataFrame:
    """Return the objects of a file, one a line, as rows; fields that a row lacks are null.

    Values come as texts, as those of a CSV file do. NaN, which is no JSON, is null.

    Raises:
        DataError: Names the line that is no object, or has a field twice.
        OSError: The file cannot be read.
    """
    rows: list[dict[str, str | None]] = []
    try:
        with path.open(encoding="utf-8-sig") as file:
            for number, line in enumerate(file, 1):
                if line.strip():
                    rows.append(_parse_object(path, number, line))
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: cannot be read: {error}", "write it as UTF-8") from None
    names = dict.fromkeys(name for row in rows for name in row)
    return pl.DataFrame(rows, schema=dict.fromkeys(names, pl.String))


def _parse_object(path: Path, number: int, line: str) -> dict[str, str | None]:
    try:
        fields = json.loads(line, object_pairs_hook=_unique_fields)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}, line {number}: no JSON: {error}", "correct the line") from None
    if not isinstance(fields, dict):
        raise DataError(f"{path}, line {number}: is no object", "write one object a line")
    return {name: _to_text(value) for name, value in fields.items()}


def _unique_fields(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) < len(pairs):
        raise ValueError("a field stands twice in one object")
    return fields


def _to_text(value: Any) -> str | None:
    if value is None or value != value:  # a NaN differs from itself
        return None
    return value if isinstance(value, str) else json.dumps(value)
