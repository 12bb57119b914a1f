"""JSON-lines files of any size, in blocks: good lines become rows, bad lines are set aside.

A line is judged by itself: first by Polars' parser, which is fast, and where that refuses it by
Python's, which accepts a few things more (half a surrogate pair, a very long number) and can say
what is wrong. A block is parsed as a whole, and taken apart only if something in it is not a row.
So what is read depends neither on the size of the blocks nor on the number of threads.
"""

import math
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Generic, TypeVar

import numpy as np
import polars as pl
from numpy.typing import NDArray

from benchkit.data.disk_table import DiskTable, DiskWriter, MemoryWriter, TableWriter
from benchkit.data.out_of_core import choose_folder
from benchkit.data.readers.chunked_reader import (
    MAX_LINE_BYTES,
    count_lines,
    file_changed_error,
    line_numbers,
    map_blocks,
    may_exceed_line_length,
    read_blocks,
    read_lines_at,
)
from benchkit.data.readers.json_validation import (
    ID_DTYPE,
    JsonlSchema,
    column_types,
    extract_fields,
    find_line_error,
)
from benchkit.data.readers.malformed_lines import (
    MAX_MALFORMED_SHARE,
    MAX_MALFORMED_TEXT,
    MalformedLine,
    check_malformed,
    exceeds_malformed_limit,
    make_malformed_table,
)
from benchkit.errors import DataError

_PARTS = 16  # pieces that lines with a bad one among them are taken apart into
_WORKERS = 9  # threads at most; one thread cuts the blocks for all of them
_HINT = (
    "get the file again, correct or remove these lines, or allow more of them with the option"
    " max_malformed"
)
_T = TypeVar("_T", pl.DataFrame, DiskTable)


@dataclass(frozen=True)
class JsonLines(Generic[_T]):
    """The content of a file."""

    table: _T
    """One row a good line, in file order."""
    count: int
    """Lines, blank and malformed ones included."""
    blank: int
    """Blank lines."""
    malformed: pl.DataFrame
    """`file`, `line`, `reason`, `text`."""
    skipped: NDArray[np.int64]
    """Numbers of the lines that gave no row, ascending."""

    def line_numbers(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the line number (from 1) of each of `rows`."""
        return line_numbers(rows, self.skipped)


def read_jsonl(
    path: Path,
    schema: JsonlSchema,
    required: Collection[str],
    *,
    max_malformed: float = MAX_MALFORMED_SHARE,
    max_line: int = MAX_LINE_BYTES,
    block: int | None = None,
) -> JsonLines[pl.DataFrame]:
    """Read the fields of `schema` from a file of JSON objects, one a line, gzipped or not.

    schema: field -> `ID_DTYPE` (text and nothing else; its column is a String), String (text;
        of any other value, some text), Float32 or Float64 (a finite number), Int64 (a whole
        number). An absent field is null.
    required: fields that must be there, neither null nor empty.
    max_malformed: share of the lines, 0 to 1, that may be bad. Ten are always tolerated, unless
        it is 0. Reading stops early when bad lines run 1,000 ahead of their share.
    max_line: bytes; a longer line is bad. block: bytes read at once.
    Raises DataError, naming the file and lines, when more is bad, when no line is good, or when
    the file cannot be read.
    """
    writer = MemoryWriter(column_types(schema))
    return _read_lines(path, writer, _Parser(schema, required, max_line), max_malformed, block)


def read_large_jsonl(
    path: Path,
    schema: JsonlSchema,
    required: Collection[str],
    *,
    max_malformed: float = MAX_MALFORMED_SHARE,
) -> JsonLines[pl.DataFrame] | JsonLines[DiskTable]:
    """Read likewise, into a table on disk where the file is too large for the memory."""
    parser, folder = _Parser(schema, required, MAX_LINE_BYTES), choose_folder(path)
    if folder is None:
        return _read_lines(path, MemoryWriter(column_types(schema)), parser, max_malformed)
    return _read_lines(path, DiskWriter(column_types(schema), folder), parser, max_malformed)


def _read_lines(
    path: Path,
    writer: TableWriter[_T],
    parser: "_Parser",
    max_malformed: float,
    block: int | None = None,
) -> JsonLines[_T]:
    bad: list[MalformedLine] = []
    blank: list[int] = []
    count = 0
    workers = min(pl.thread_pool_size() + 1, _WORKERS)
    blocks = read_blocks(path, block, parser.max_line)
    for piece, whole in map_blocks(parser.parse_block_or_none, blocks, workers):
        if whole is not None:
            writer.append(whole)
            count += len(whole)
            continue
        lines = list(enumerate(piece.removesuffix(b"\n").split(b"\n"), count + 1))
        count += len(lines)
        blank += [number for number, line in lines if _is_blank(line)]
        for part in parser.parse_lines([pair for pair in lines if not _is_blank(pair[1])]):
            if isinstance(part, pl.DataFrame):
                writer.append(part)
                continue
            bad.append(part)
            if exceeds_malformed_limit(len(bad), part.line, max_malformed):
                check_malformed(str(path), bad, part.line, max_malformed, _HINT)
    table = writer.finish()
    check_malformed(str(path), bad, count, max_malformed, _HINT)
    if not len(table):
        why = f"line {bad[0].line}: {bad[0].reason}" if bad else "it is empty"
        raise DataError(f"{path}: none of its lines can be used ({why})", "is it the right file?")
    return JsonLines(
        table=table,
        count=count,
        blank=len(blank),
        malformed=make_malformed_table(path.name, bad),
        skipped=np.sort(np.array(blank + [line.line for line in bad], dtype=np.int64)),
    )


def read_jsonl_lines(
    path: Path, numbers: NDArray[np.int64], schema: JsonlSchema
) -> Iterator[pl.DataFrame]:
    """Yield tables with the string fields of the lines with given numbers (from 1, ascending).

    For lines that `read_jsonl` has accepted: each gives one row. Raises DataError when one does
    not, for then the file has changed in between.
    """
    parser = _Parser(schema, (), MAX_LINE_BYTES)
    for lines in read_lines_at(path, numbers):
        whole = parser.parse_block_or_none(b"\n".join(lines))
        parts = [whole] if whole is not None else parser.parse_lines(list(enumerate(lines)))
        tables = [part for part in parts if isinstance(part, pl.DataFrame)]
        if sum(map(len, tables)) < len(lines):
            raise file_changed_error(path)
        yield pl.concat(tables)


@dataclass(frozen=True)
class _Parser:
    """Makes rows of lines. Threads share it: what it remembers changes how fast it is, no row."""

    schema: JsonlSchema
    required: Collection[str]
    max_line: int
    strict: set[str] = field(default_factory=set)
    """Ids that look like something else in this file, and so are parsed as ids at once."""

    def parse_block_or_none(self, block: bytes) -> pl.DataFrame | None:
        """Return a row for each line of `block`, or None when a line gives no row."""
        table = None if may_exceed_line_length(block, self.max_line) else self._parse_block(block)
        # Fewer rows than lines: Polars has passed over blank ones.
        if table is None or len(table) < count_lines(block) or self._unfit_mask(table).any():
            return None
        return table

    def parse_lines(
        self, lines: Sequence[tuple[int, bytes]]
    ) -> Iterator[pl.DataFrame | MalformedLine]:
        """Yield tables of good numbered lines, and the bad ones between them, in order."""
        if not any(len(line) > self.max_line for _, line in lines):
            table = self._parse_block(b"\n".join([line for _, line in lines]))
            if table is not None and len(table) == len(lines):
                unfit = self._unfit_mask(table)
                yield table.filter(~unfit)
                for row in unfit.arg_true().to_list():
                    yield self.describe_malformed(*lines[row])
                return
        if len(lines) > 1:
            step = math.ceil(len(lines) / _PARTS)
            for start in range(0, len(lines), step):
                yield from self.parse_lines(lines[start : start + step])
            return
        number, line = lines[0]
        if len(line) > self.max_line or find_line_error(line, self.schema, self.required):
            yield self.describe_malformed(number, line)
        else:
            yield pl.DataFrame(
                [extract_fields(line, self.schema)], schema=column_types(self.schema)
            )

    def describe_malformed(self, number: int, line: bytes) -> MalformedLine:
        """Say what is wrong with a line that gives no row."""
        if len(line) > self.max_line:
            reason: str | None = f"longer than {self.max_line:,} bytes"
        else:
            reason = find_line_error(line, self.schema, self.required)
        # Cut before decoding, for a line can be very long; a character has at most 4 bytes.
        text = (
            line[: 4 * MAX_MALFORMED_TEXT]
            .decode("utf-8", "backslashreplace")
            .replace("\0", "\\x00")
        )
        return MalformedLine(number, reason or "refused by the parser", text[:MAX_MALFORMED_TEXT])

    def _parse_block(self, block: bytes) -> pl.DataFrame | None:
        """Return a row for each line that is not blank, or None when Polars refuses one."""
        if not block or block.isspace():
            return pl.DataFrame(schema=column_types(self.schema))
        ids = {name for name, dtype in self.schema.items() if dtype == ID_DTYPE}
        strict = set(self.strict)  # another thread may add to it
        try:
            # As strings ids are parsed in two thirds of the time, but what was a number has become
            # text, too. Where every id begins with a capital none can have been one.
            table = _read(block, self.schema, strict)
            doubtful = _possibly_not_text(table, ids - strict)
            if doubtful:
                self.strict.update(doubtful)
                table = _read(block, self.schema, strict | doubtful)
        except (pl.exceptions.PolarsError, OSError):  # OSError: damage that begins like a .zst file
            return None
        # Polars writes a NUL for half a surrogate pair. A required text may not have it at all.
        return table.with_columns(
            pl.col(name).str.replace_all("\0", "\ufffd", literal=True)
            for name, dtype in table.schema.items()
            if dtype == pl.String and name not in self.required
        )

    def _unfit_mask(self, table: pl.DataFrame) -> pl.Series:
        """Return [rows] whether a required field is missing, empty or holds a NUL."""
        wrong = [pl.lit(value=False)]
        for name in self.required:
            wrong.append(pl.col(name).is_null())
            if table.schema[name] == pl.String:
                wrong.append((pl.col(name) == "") | pl.col(name).str.contains("\0", literal=True))
        return table.select(pl.any_horizontal(wrong)).to_series()


def _read(block: bytes, schema: JsonlSchema, strict: Collection[str]) -> pl.DataFrame:
    """Return rows of lines; ids that are not `strict` may have been something other than text."""
    types = column_types(schema)
    # A pool for the block alone: a larger one is slower, and threads wait for each other there.
    types |= {name: pl.Categorical(pl.Categories.random()) for name in strict}
    table = pl.read_ndjson(block, schema=types).rechunk()  # else it holds more than it needs
    return table.cast({pl.Categorical: pl.String}) if strict else table


def _possibly_not_text(table: pl.DataFrame, ids: Collection[str]) -> set[str]:
    """Return the `ids` of which some may be no text: not all begin between ":" and "Z"."""
    if not ids:
        return set()
    # A number begins below, and `true`, `false`, a list and an object begin above.
    within = pl.col(*ids).is_between(pl.lit(":"), pl.lit("["), closed="left")
    certain = table.select(within.all()).row(0, named=True)
    return {name for name in ids if not certain[name]}


def _is_blank(line: bytes) -> bool:
    return not line.strip(b" \t\r")
