"""JSON-lines files of any size, in blocks: good lines become rows, bad lines are set aside.

A line is judged by itself: first by Polars' parser, which is fast, and where that refuses it by
Python's, which accepts a few things more (half a surrogate pair, a very long number) and can say
what is wrong. A block is parsed as a whole, and taken apart only if something in it is not a row.
So what is read depends neither on the size of the blocks nor on the number of threads.
"""

import math
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from benchkit.data.blocks import (
    MAX_LINE,
    blocks,
    changed,
    count_lines,
    lines_at,
    may_have_line_over,
)
from benchkit.data.jsonline import Schema, fault, fields
from benchkit.errors import DataError

MAX_MALFORMED = 0.001  # share of the lines
_ALWAYS_TOLERATED = 10  # so few bad lines say nothing about a file
_BURST = 1_000  # how far bad lines may run ahead of their share before reading stops
_TEXT = 2_000  # characters of a bad line that are kept
_PARTS = 16  # pieces that lines with a bad one among them are taken apart into
_SLICE = 500_000  # texts looked at together
_TABLE = {"file": pl.String, "line": pl.Int64, "reason": pl.String, "text": pl.String}


class Bad(NamedTuple):
    """A line that is no row: its number (from 1), why, and its text, cut and made printable."""

    line: int
    reason: str
    text: str


@dataclass(frozen=True)
class Lines:
    """What a file held.

    table: one row a good line, in file order. count: lines, blank and malformed ones included.
    malformed: table `file`, `line`, `reason`, `text`. skipped: numbers of the lines that gave no
    row, ascending.
    """

    table: pl.DataFrame
    count: int
    blank: int
    malformed: pl.DataFrame
    skipped: NDArray[np.int64]

    def numbers(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """The line number (from 1) of each of `rows`."""
        return line_numbers(rows, self.skipped)


def line_numbers(rows: NDArray[np.int64], skipped: NDArray[np.int64]) -> NDArray[np.int64]:
    """The line number (from 1) of each row, when the lines `skipped` (ascending) gave none.

    >>> line_numbers(np.array([0, 1, 2]), np.array([2, 3]))
    array([1, 4, 5])
    """
    rows_before = skipped - np.arange(1, len(skipped) + 1)
    return rows + 1 + np.searchsorted(rows_before, rows, side="right")


def read(
    path: Path,
    schema: Schema,
    required: Collection[str],
    *,
    max_malformed: float = MAX_MALFORMED,
    max_line: int = MAX_LINE,
    block: int | None = None,
) -> Lines:
    """Read the fields of `schema` from a file of JSON objects, one a line, gzipped or not.

    schema: field -> Categorical (text and nothing else), String (text; of any other value, some
        text), Float32 or Float64 (a finite number), Int64 (a whole number). An absent field is
        null.
    required: fields that must be there, neither null nor empty.
    max_malformed: share of the lines, 0 to 1, that may be bad. Ten are always tolerated, unless
        it is 0. Reading stops early when bad lines run 1,000 ahead of their share.
    max_line: bytes; a longer line is bad. block: bytes read at once.
    Raises DataError, naming the file and lines, when more is bad, when no line is good, or when
    the file cannot be read.
    """
    tables: list[pl.DataFrame] = [pl.DataFrame(schema=dict(schema))]
    bad: list[Bad] = []
    blank: list[int] = []
    count = 0
    sifter = _Sifter(schema, required, max_line)
    workers = min(pl.thread_pool_size() + 1, _WORKERS)
    for piece, whole in each(sifter.whole, blocks(path, block, max_line), workers):
        sifted = sifter.sift
        for found in sifter.bad(piece):
            bad.append(found)
            if len(bad) > _BURST + max_malformed * found.line:
                raise _too_many(path, bad, found.line, max_malformed)
        tables += sifter.tables
        blank += sifter.blank
        count += sifter.count
    table = pl.concat(tables, rechunk=True)
    tables.clear()  # frees them
    odd = _odd_texts(table, required)
    if odd.any():
        rows = odd.arg_true().to_numpy()[: int(_BURST + max_malformed * count) + 1]
        numbers = line_numbers(rows, _sorted(blank, bad))
        lines = chain.from_iterable(lines_at(path, numbers))
        bad += [sifter.judged(int(n), line) for n, line in zip(numbers, lines, strict=True)]
        bad.sort()
        table = table.filter(~odd)
    if len(bad) > (max_malformed and max(_ALWAYS_TOLERATED, max_malformed * count)):
        raise _too_many(path, bad, count, max_malformed)
    if not len(table):
        why = f"line {bad[0].line}: {bad[0].reason}" if bad else "it is empty"
        raise DataError(f"{path}: none of its lines can be used ({why})", "is it the right file?")
    return Lines(
        table=table,
        count=count,
        blank=len(blank),
        malformed=pl.DataFrame([(path.name, *b) for b in bad], schema=_TABLE, orient="row"),
        skipped=_sorted(blank, bad),
    )


def _sorted(blank: list[int], bad: list[Bad]) -> NDArray[np.int64]:
    return np.sort(np.array(blank + [found.line for found in bad], dtype=np.int64))


def pick(path: Path, numbers: NDArray[np.int64], schema: Schema) -> Iterator[pl.DataFrame]:
    """String fields of the lines with the given numbers (from 1, ascending), in several tables.

    For lines that `read` has accepted: each gives one row. Raises DataError when one does not,
    for then the file has changed in between.
    """
    for lines in lines_at(path, numbers):
        sifter = _Sifter(schema, (), MAX_LINE, first=1)
        if list(sifter.bad(b"\n".join(lines))) or sifter.blank:
            raise changed(path)
        yield pl.concat(sifter.tables)


@dataclass
class _Sifter:
    """Sorts the lines of one block into tables of good ones, bad ones and blank ones."""

    schema: Schema
    required: Collection[str]
    max_line: int
    first: int  # number of the block's first line
    tables: list[pl.DataFrame] = field(default_factory=list)
    blank: list[int] = field(default_factory=list)
    count: int = 0

    def bad(self, block: bytes) -> Iterator[Bad]:
        """The bad lines in order. `tables`, `blank` and `count` are complete when it is through."""
        self.count = count_lines(block)
        table = None if may_have_line_over(block, self.max_line) else self._parsed(block)
        # Fewer rows than lines: the parser has passed over blank ones.
        if table is not None and len(table) == self.count and not self._refused(table).any():
            self.tables.append(table)
            return
        lines = list(enumerate(block.split(b"\n")[: self.count], self.first))
        self.blank = [number for number, line in lines if not line.strip(b" \t\r")]
        yield from self._sift([(number, line) for number, line in lines if line.strip(b" \t\r")])

    def _sift(self, lines: Sequence[tuple[int, bytes]]) -> Iterator[Bad]:
        if not any(len(line) > self.max_line for _, line in lines):
            table = self._parsed(b"\n".join([line for _, line in lines]))
            if table is not None and len(table) == len(lines):
                refused = self._refused(table)
                self.tables.append(table.filter(~refused))
                for row in refused.arg_true().to_list():
                    yield self.judged(*lines[row])
                return
        if len(lines) > 1:
            step = math.ceil(len(lines) / _PARTS)
            for start in range(0, len(lines), step):
                yield from self._sift(lines[start : start + step])
            return
        number, line = lines[0]
        if len(line) > self.max_line or fault(line, self.schema, self.required):
            yield self.judged(number, line)
        else:
            row = fields(line, self.schema)
            self.tables.append(pl.DataFrame([row], schema=dict(self.schema)))

    def judged(self, number: int, line: bytes) -> Bad:
        """What is wrong with a line that is no row."""
        if len(line) > self.max_line:
            reason: str | None = f"longer than {self.max_line:,} bytes"
        else:
            reason = fault(line, self.schema, self.required)
        # Cut before decoding, for a line can be very long; a character has at most 4 bytes.
        text = line[: 4 * _TEXT].decode("utf-8", "backslashreplace").replace("\0", "\\x00")
        return Bad(number, reason or "refused by the parser", text[:_TEXT])

    def _parsed(self, block: bytes) -> pl.DataFrame | None:
        """The rows of `block`, or None when the parser refuses some line of it."""
        if not block or block.isspace():
            return pl.DataFrame(schema=dict(self.schema))
        try:
            table = pl.read_ndjson(block, schema=dict(self.schema))
        except pl.exceptions.PolarsError:
            return None
        # Polars writes a NUL for half a surrogate pair. A required text may not have it at all.
        return table.with_columns(
            pl.col(name).str.replace_all("\0", "\ufffd", literal=True)
            for name, dtype in self.schema.items()
            if dtype == pl.String and name not in self.required
        )

    def _refused(self, table: pl.DataFrame) -> pl.Series:
        """[rows] whether a required field is missing."""
        missing = [pl.col(name).is_null() for name in self.required]
        return table.select(pl.any_horizontal(pl.lit(value=False), *missing)).to_series()


def _odd_texts(table: pl.DataFrame, required: Collection[str]) -> pl.Series:
    """[rows] whether a required text is empty, or holds a NUL or half a surrogate pair.

    Looked for once, at the end, because then each distinct text is looked at once.
    """
    odd = pl.repeat(False, len(table), dtype=pl.Boolean, eager=True)
    for column in table.select(required):
        if column.dtype.is_numeric():
            continue
        # In slices, so that not all names are copied at a time.
        for distinct in column.unique().to_frame().iter_slices(_SLICE):
            names = distinct.to_series()
            text = names.cast(pl.String)
            wrong = names.filter((text == "") | text.str.contains("\0", literal=True))
            if len(wrong):
                odd |= column.is_in(wrong.implode())
    return odd


def _too_many(path: Path, bad: list[Bad], count: int, allowed: float) -> DataError:
    first = "; ".join(f"line {line}: {reason}" for line, reason, _ in bad[:3])
    return DataError(
        f"{path}: {len(bad)} of its first {count} lines are malformed, more than {allowed:.2%}"
        f" ({first}{'; ...' if len(bad) > 3 else ''})",
        "get the file again, correct or remove these lines, or allow more of them with the option"
        " max_malformed",
    )
