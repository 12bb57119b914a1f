"""Tables of text with a separator between cells: CSV, TSV, `;`, `|`, `::`, and RecBole's files.

Every row is counted before the table is parsed, so that none is lost without a word.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from benchkit.csv_cells import declared_separator
from benchkit.data.readers.quoted_cells import NO_QUOTES, TextRows, split_rows
from benchkit.data.readers.text_decoding import read_text
from benchkit.errors import ConfigError, DataError

QUOTING = ("auto", "csv", "none")
_SEPARATORS = (",", "\t", ";", "|", "::")
_BY_SUFFIX = {".csv": ",", ".tsv": "\t", ".tab": "\t", ".psv": "|"}
ATOMIC_SUFFIXES = (".inter", ".item", ".user")
TEXT_SUFFIXES = (*_BY_SUFFIX, *ATOMIC_SUFFIXES, ".txt", ".dat")
_UNIT = b"\x1f"  # stands for a separator of two characters


@dataclass(frozen=True)
class DelimitedText:
    """A table, and where its rows stand in the file."""

    table: pl.DataFrame
    """Columns of strings: an id like "007" is not a number."""
    lines: NDArray[np.int64]
    """[rows] the line (from 1) in which each row begins."""


@dataclass(frozen=True)
class Dialect:
    """How a table of text is written."""

    separator: str
    byte: bytes
    """What stands between cells of an encoded text."""
    quoting: str
    is_atomic: bool
    """Whether it is one of RecBole's files."""

    def encode(self, path: Path, text: bytes) -> bytes:
        """Return a text with one byte between cells."""
        between = self.separator.encode()
        if between == self.byte:
            return text
        if self.byte in text:
            raise DataError(
                f"{path}: holds the character U+001F",
                f"use a separator other than {self.separator!r}",
            )
        return text.replace(between, self.byte)


def read_delimited_text(
    path: Path,
    suffix: str,
    separator: str | None = None,
    encoding: str | None = None,
    quoting: str | None = None,
) -> DelimitedText:
    """Read a table of text whose first line names its columns.

    Args:
        path: The file, packed or not.
        suffix: What kind of file it is, e.g. ".csv".
        separator: Between cells; by default what a first line `sep=;` of Excel says, else what
            stands in the header.
        encoding: See `read_text`.
        quoting: "auto", "csv" or "none"; see `split_rows`. RecBole's files have no quotes.

    Raises:
        ConfigError: A setting is not one of these.
        DataError: The file is empty, damaged, or has rows of different lengths.
    """
    dialect, text = find_dialect(path, read_text(path, encoding), suffix, separator, quoting)
    return parse_rows(path, dialect.encode(path, text), dialect)


def find_dialect(
    path: Path, text: bytes, suffix: str, separator: str | None, quoting: str | None
) -> tuple[Dialect, bytes]:
    """Return how a text is written, and the text without what declares it.

    Raises:
        ConfigError: A setting does not exist.
        DataError: There is no text, or its header does not show the separator.
    """
    is_atomic = suffix in ATOMIC_SUFFIXES
    quoting = quoting or ("none" if is_atomic else "auto")
    if quoting not in QUOTING:
        raise ConfigError(f"quoting = {quoting!r}", f"use one of {', '.join(map(repr, QUOTING))}")
    first, _, rest = text.partition(b"\n")
    declared = declared_separator(first.decode())
    if declared:
        text = b"\n" + rest  # the lines keep their numbers
    if not text.strip():
        raise DataError(f"{path}: it is empty", "the first line names the columns")
    between = separator or declared or _find_separator(path, text, suffix)
    byte = between.encode()
    if len(byte) > 1:
        byte = _UNIT
    if byte in (b"\n", b'"', b"\r"):
        raise ConfigError(f"separator = {between!r}", "use a character that is no part of a cell")
    return Dialect(between, byte, quoting, is_atomic), text


def parse_rows(
    path: Path, text: bytes, dialect: Dialect, numeric: set[int] | None = None
) -> DelimitedText:
    """Return the table of an encoded text, whose first row names its columns.

    numeric: columns of numbers, by default those of the first rows.
    """
    rows = split_rows(path, text, dialect.byte, dialect.quoting, numeric)
    _check_lengths(path, rows, dialect.separator, dialect.quoting)
    table = _parse(path, text, dialect.byte, rows)
    if dialect.is_atomic:  # `name:type` in the header
        names = [name.partition(":")[0] for name in table.columns]
        _check_names(path, names)
        table.columns = names
    return DelimitedText(table, rows.line[1:])


def _find_separator(path: Path, text: bytes, suffix: str) -> str:
    """Return the separator that stands in the header."""
    header = text.lstrip(b"\n").partition(b"\n")[0].decode()
    outside = "".join(header.split('"')[::2])
    counts = {s: outside.count(s) for s in _SEPARATORS}
    present = [s for s in _SEPARATORS if counts[s]]
    usual = _BY_SUFFIX.get(suffix) or ("\t" if suffix in ATOMIC_SUFFIXES else None)
    if usual and present and counts[usual] == max(counts.values()):
        return usual
    if len(present) != 1:
        raise DataError(
            f"{path}, line 1: {'several characters' if present else 'no known character'} may"
            f" separate the columns of {header[:80]!r}",
            f"set separator = {' or '.join(map(_toml, present or _SEPARATORS))} in the options",
        )
    return present[0]


def _toml(text: str) -> str:
    return '"\\t"' if text == "\t" else f'"{text}"'


def _check_lengths(path: Path, rows: TextRows, separator: str, quoting: str) -> None:
    width = int(rows.cells[0])
    wrong = np.flatnonzero(rows.cells != width)
    if len(wrong):
        row = int(wrong[0])
        hint = f"correct these rows; a cell that holds {separator!r} must stand in quotes"
        if quoting != "none" and len(rows.quoted):
            hint += f"; {NO_QUOTES}"
        raise DataError(
            f"{path}, line {rows.line[row]}: has {rows.cells[row]} cells, and the header has"
            f" {width} ({len(wrong)} such rows)",
            hint,
        )


def _check_names(path: Path, names: Sequence[str]) -> None:
    for name in names:
        if name and names.count(name) > 1:
            raise DataError(f"{path}: two columns are called {name!r}", "rename one of them")


def _parse(path: Path, text: bytes, separator: bytes, rows: TextRows) -> pl.DataFrame:
    if np.any(rows.start[1:] > rows.stop[:-1] + 1) or rows.start[0]:  # empty lines are no rows
        spans = zip(rows.start.tolist(), rows.stop.tolist(), strict=True)
        packed = b"\n".join([text[start:stop] for start, stop in spans])
        return _parse(path, packed, separator, split_rows(path, packed, separator, _mode(rows)))
    quoted = len(rows.quoted) > 0
    if quoted:
        text = _quote_strays(text, separator, rows)
    try:
        table = pl.read_csv(
            text,
            has_header=False,
            separator=separator.decode(),
            infer_schema=False,
            quote_char='"' if quoted else None,
        )
    except pl.exceptions.PolarsError as error:
        raise DataError(f"{path}: cannot be read: {error}", "check the file's format") from None
    if len(table) != len(rows.line):
        raise DataError(
            f"{path}: has {len(rows.line)} rows, of which the parser finds {len(table)}",
            "check the quotes in it",
        )
    names = [name or "" for name in table.row(0)]
    unnamed = iter(["", *(f"_duplicated_{n}" for n in range(len(names)))])
    _check_names(path, names)
    table.columns = [name or next(unnamed) for name in names]
    return table[1:]


def _mode(rows: TextRows) -> str:
    return "csv" if len(rows.quoted) else "none"


def _quote_strays(text: bytes, separator: bytes, rows: TextRows) -> bytes:
    """Return the text with each cell that has a quote in its middle written in quotes.

    The parser takes every quote for the beginning or the end of a quoted cell.
    """
    quotes = np.flatnonzero(np.frombuffer(text, dtype=np.uint8) == ord('"'))
    before = np.searchsorted(rows.quoted[:, 0], quotes, side="right") - 1
    strays = quotes[(before < 0) | (quotes >= rows.quoted[before, 1])]
    parts, at = [], 0
    for place in strays.tolist():
        if place < at:
            continue
        start = max(text.rfind(separator, at, place), text.rfind(b"\n", at, place)) + 1
        ends = [end for mark in (separator, b"\n") if (end := text.find(mark, place)) >= 0]
        stop = min(ends, default=len(text))
        start = max(start, at)
        parts += [text[at:start], b'"', text[start:stop].replace(b'"', b'""'), b'"']
        at = stop
    return b"".join([*parts, text[at:]])
