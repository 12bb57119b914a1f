"""Read the rows of a table file with their line numbers: CSV, TSV, JSONL, Parquet, TREC runs."""

import csv
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from benchkit.csv_cells import skip_separator_line
from benchkit.errors import DataError
from benchkit.interop.trec_ids import unescape_id

TableRow = tuple[
    str, dict[str, Any]
]  # where it stands, for messages; its fields, absent ones left out


def read_rows(path: Path, decode: dict[str, Callable[[str], Any]]) -> Iterator[TableRow]:
    """Yield the rows of a file; null values and empty cells are left out.

    Args:
        path: Its ending says the format.
        decode: Column -> function from a text cell to a value, for formats that only have text
            cells; it raises ValueError.

    Raises:
        DataError: Names file and line (row of a Parquet file).
    """
    if not path.is_file():
        raise DataError(f"{path}: no such file", "check the path")
    if path.suffix not in _READERS:
        raise DataError(f"{path}: unknown kind of file", f"use one of {', '.join(_READERS)}")
    try:
        for where, fields in _READERS[path.suffix](path, decode):
            yield where, {name: value for name, value in fields.items() if value is not None}
    except (UnicodeDecodeError, OSError, csv.Error) as error:
        raise DataError(f"{path}: cannot be read: {error}", "write it as UTF-8, or JSONL") from None


def parse_strict_json(text: str) -> Any:
    """Return a JSON value. Raises ValueError, also for a key that stands twice in an object."""
    try:
        return json.loads(text, object_pairs_hook=_unique_keys)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) < len(pairs):
        raise ValueError("a field stands twice in one object")
    return fields


def _read_jsonl(path: Path, _: object) -> Iterator[TableRow]:
    with path.open(encoding="utf-8-sig") as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            try:
                value = parse_strict_json(line)
            except ValueError as error:
                raise DataError(f"{path}, line {number}: no JSON: {error}", "correct it") from None
            if not isinstance(value, dict):
                raise DataError(f"{path}, line {number}: is no object", "one object a line")
            yield f"line {number}", value


def _read_separated(path: Path, decode: dict[str, Callable[[str], Any]]) -> Iterator[TableRow]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        separator, skipped = skip_separator_line(file, "\t" if path.suffix == ".tsv" else ",")
        rows = csv.reader(file, delimiter=separator, strict=True)
        header = next(rows, [])
        twice = {name for name in header if header.count(name) > 1}
        if twice:
            raise DataError(f"{path}, line 1: column {min(twice)!r} stands twice", "leave one")
        # A cell may hold line breaks, so a row may be several lines.
        line = skipped + rows.line_num + 1
        for cells in rows:
            where, line = f"line {line}", skipped + rows.line_num + 1
            if not cells:
                continue
            if len(cells) != len(header):
                raise DataError(
                    f"{path}, {where}: {len(cells)} cells, but the header has {len(header)}",
                    "put cells that hold the delimiter into quotation marks",
                )
            fields = {}
            for name, cell in zip(header, cells, strict=True):
                try:
                    fields[name] = decode.get(name, str)(cell) if cell else None
                except ValueError as error:
                    raise DataError(
                        f"{path}, {where}, column {name!r}: {cell[:60]!r}: {error}",
                        "numbers are plain, lists are JSON",
                    ) from None
            yield where, fields


def _read_parquet(path: Path, _: object) -> Iterator[TableRow]:
    import polars as pl

    try:
        table = pl.read_parquet(path)
    except pl.exceptions.PolarsError as error:
        raise DataError(f"{path}: cannot be read: {error}", "write it again") from None
    for number, fields in enumerate(table.iter_rows(named=True), 1):
        yield f"row {number}", fields


def _read_trec_run(path: Path, _: object) -> Iterator[TableRow]:
    """Yield case, item and score of each line `qid Q0 docno rank score tag`."""
    with path.open(encoding="utf-8-sig") as file:
        for number, line in enumerate(file, 1):
            words = line.split()
            if not words:
                continue
            try:
                case, _, item, _, score, _ = words
                fields = {"case_id": unescape_id(case), "item": unescape_id(item)}
                yield f"line {number}", {**fields, "score": float(score)}
            except ValueError as error:
                raise DataError(
                    f"{path}, line {number}: no line of a TREC run: {error}",
                    "write: case Q0 item rank score name; ids are percent-encoded",
                ) from None


_READERS = {
    ".jsonl": _read_jsonl, ".ndjson": _read_jsonl, ".csv": _read_separated, ".tsv": _read_separated,
    ".parquet": _read_parquet, ".run": _read_trec_run, ".trec": _read_trec_run,
}  # fmt: skip
