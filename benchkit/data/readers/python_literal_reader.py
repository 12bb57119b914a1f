"""Files of records that are not JSON: Python literals, one a line, or blocks of `key: value`.

Such files were printed by programs of their time. Literals are read as data, and never run.
"""

import ast
import json
import math
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from benchkit.data.readers.archive import missing_file_error
from benchkit.data.readers.chunked_reader import (
    MAX_LINE_BYTES,
    count_lines,
    file_changed_error,
    read_blocks,
)
from benchkit.data.readers.malformed_lines import (
    MAX_MALFORMED_SHARE,
    MAX_MALFORMED_TEXT,
    MalformedLine,
    check_malformed,
    decode_line,
    exceeds_malformed_limit,
    make_malformed_table,
)
from benchkit.errors import DataError

_CHUNK = 100_000  # records that are held as Python objects


class RecordField(NamedTuple):
    """A field of a record."""

    name: str
    """Its name in the record."""
    dtype: pl.DataType
    read: Callable[[Any], Any]
    """Converts its value."""
    required: bool = False
    """Whether a record without it is malformed."""


@dataclass(frozen=True)
class RecordTable:
    """The records of a file."""

    table: pl.DataFrame
    """`line` (where the record begins, from 1) and a column a field; in file order."""
    malformed: pl.DataFrame
    """The other records: `file`, `line`, `reason`, `text`."""

    def funnel(self, name: str) -> dict[str, int]:
        """Return how many records there were, and how many could not be read."""
        bad = len(self.malformed)
        return {f"{name}_records": len(self.table) + bad, f"{name}_malformed": bad}


@contextmanager
def _without_warnings() -> Iterator[None]:
    """Silence warnings of escapes like \\d in a literal, which were valid once."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "invalid escape")
        yield


@_without_warnings()
def read_records(path: Path, dataset: str, fields: Mapping[str, RecordField]) -> RecordTable:
    """Read `fields` (by the name of their column) from the records of a file, gzipped or not.

    Raises DataError when the file is missing or damaged, or when too much of it is malformed.
    """
    tables, rows, bad = [], [], []
    schema: dict[str, pl.DataType] = {
        "line": pl.Int64(),
        **{column: field.dtype for column, field in fields.items()},
    }
    for line, text in _records(path, dataset):
        try:
            record = _parse_record(text)
            rows.append((line, *(_value(record, field) for field in fields.values())))
        except ValueError as error:
            bad.append(MalformedLine(line, str(error), text[:MAX_MALFORMED_TEXT]))
            if exceeds_malformed_limit(len(bad), line):
                break
        if len(rows) == _CHUNK:
            tables.append(pl.DataFrame(rows, schema=schema, orient="row"))
            rows = []
    tables.append(pl.DataFrame(rows, schema=schema, orient="row"))
    table = pl.concat(tables)
    share = MAX_MALFORMED_SHARE if len(table) else 0.0  # then one is too many
    check_malformed(str(path), bad, len(table) + len(bad), share)
    if not len(table):
        raise DataError(f"{path}: it is empty", "get the file again")
    return RecordTable(table, make_malformed_table(path.name, bad))


@_without_warnings()
def read_record_texts(
    path: Path, dataset: str, lines: NDArray[np.int64], name: str
) -> list[str | None]:
    """Return the text `name` of the records that begin at `lines` (ascending), None if empty.

    Raises DataError when there are no records there (any more).
    """
    texts: list[str | None] = []
    wanted = iter(lines.tolist())
    line = next(wanted, None)
    for at, text in _records(path, dataset):
        if at == line:
            value = _parse_record(text).get(name)
            texts.append(None if value is None else as_text(value) or None)
            line = next(wanted, None)
        if line is None:
            return texts
    raise file_changed_error(path)


def as_text(value: Any) -> str:
    """Return any value as text, without the space around it; lists joined by commas."""
    if isinstance(value, list):
        return ", ".join(map(as_text, value))
    text = str(value)
    if not text.isascii():
        # Old programs wrote some characters in halves: two are joined, a single one replaced.
        text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text.strip()


def as_number(value: Any) -> float:
    """Return a finite number. Raises ValueError for anything else."""
    result = float(value)
    if not math.isfinite(result):
        raise ValueError("not finite")
    return result


def as_integer(value: Any) -> int:
    """Return a whole number. Raises ValueError for anything else."""
    if as_number(value) % 1:
        raise ValueError("not whole")
    return int(as_number(value))


@lru_cache(maxsize=1 << 14)
def as_day_timestamp(value: str) -> int:
    """Return the first second (UTC) of a date "2017-12-31". Raises ValueError for anything else."""
    return int(datetime.strptime(value, "%Y-%m-%d").replace(tzinfo=UTC).timestamp())


def _value(record: dict[str, Any], field: RecordField) -> Any:
    value = record.get(field.name)
    if value is None or value == "":
        if field.required:
            raise ValueError(f"{field.name!r} is missing")
        return None
    try:
        return field.read(value)
    except (TypeError, ValueError, OverflowError):
        raise ValueError(f"{field.name!r} cannot be {value!r:.80}") from None


def _parse_record(text: str) -> dict[str, Any]:
    """Parse a record, however it is written. Raises ValueError saying why it is none."""
    if len(text) > MAX_LINE_BYTES:
        raise ValueError(f"longer than {MAX_LINE_BYTES:,} characters")
    if not text.startswith("{"):
        pairs = [line.partition(":") for line in text.split("\n")]
        if not all(colon for _, colon, _ in pairs):
            raise ValueError("neither a dictionary nor lines of `key: value`")
        return {key.strip(): value.strip() for key, _, value in pairs}
    record = _parse_literal(text)
    if not isinstance(record, dict):
        raise ValueError("not a dictionary")
    return record


def _parse_literal(text: str) -> Any:
    loaders: list[Callable[[str], Any]] = [ast.literal_eval, json.loads]
    errors = []
    for load in loaders[::-1] if text.startswith('{"') else loaders:
        try:
            return load(text)
        except (ValueError, SyntaxError, RecursionError, MemoryError) as error:
            errors.append(getattr(error, "msg", error))
    raise ValueError(f"neither a Python literal nor JSON: {errors[0]}")


def _records(path: Path, dataset: str) -> Iterator[tuple[int, str]]:
    """Yield each record's first line (from 1) and its text, in the format of the first record."""
    if not path.is_file():
        raise missing_file_error(path, dataset)
    lines = enumerate((decode_line(line).strip() for line in _lines(path)), start=1)
    first = next((numbered for numbered in lines if numbered[1]), (1, ""))
    every = chain([first], lines)
    if first[1].startswith("{"):
        return ((n, line) for n, line in every if line)
    return _join_blocks(every)


def _lines(path: Path) -> Iterator[bytes]:
    for block in read_blocks(path):
        yield from block.split(b"\n")[: count_lines(block)]


def _join_blocks(lines: Iterable[tuple[int, str]]) -> Iterator[tuple[int, str]]:
    """Yield blocks of lines with an empty one between them, each as one text."""
    block: list[str] = []
    start = size = 0
    for n, line in lines:
        if line and size <= MAX_LINE_BYTES:
            start = start or n
            size += len(line)
            block.append(line)
        elif block:
            yield start, "\n".join(block)
            block, start, size = ([line], n, len(line)) if line else ([], 0, 0)
    if block:
        yield start, "\n".join(block)
