"""Where the rows of a text table end: quotes, multi-line cells, and what is wrong with them.

A cell is quoted if a quote opens it; in it a quote is written twice, and separators and line ends
are text. A quote inside a cell that none opens (`12" pipe`) is a character like any other.
"""

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchkit.errors import DataError

_NEWLINE, _QUOTE = ord("\n"), ord('"')
_NUMBER = re.compile(rb'"?\s*[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?\s*"?\Z')
_SHOWN = 60  # bytes of a line in a message
NO_QUOTES = 'set quoting = "none" in the options if quotes are characters like any other'
ROWS_SEEN = 200  # that show which columns hold numbers


@dataclass(frozen=True)
class TextRows:
    """The rows of a text, its header among them; lines that are empty give none."""

    start: NDArray[np.int64]
    """[n] the byte at which each row begins."""
    stop: NDArray[np.int64]
    """[n] the byte before which it ends, without its line end."""
    line: NDArray[np.int64]
    """[n] the line (from 1) in which it begins."""
    cells: NDArray[np.int64]
    """[n] how many cells it has."""
    quoted: NDArray[np.int64]
    """[m, 2] start and stop of the quoted cells, with their quotes."""


def split_rows(
    path: Path, text: bytes, separator: bytes, quoting: str, numeric: set[int] | None = None
) -> TextRows:
    """Find the rows of a text.

    Args:
        path: The file, for messages.
        text: UTF-8 with "\\n" at the end of lines.
        separator: One byte.
        quoting: "auto", "csv" (every cell in quotes is one) or "none" (quotes are characters).
        numeric: Columns of numbers, by default those of the first rows.

    Raises:
        DataError: A quote is not closed, or text follows a closing one; under "auto" also if cells
            of several lines are more likely rows with a stray quote.
    """
    quoted = (
        np.empty((0, 2), dtype=np.int64)
        if quoting == "none" or b'"' not in text
        else _find_quoted_cells(path, text, separator)
    )
    data = np.frombuffer(text, dtype=np.uint8)
    newlines = np.flatnonzero(data == _NEWLINE)
    ends = newlines[~_inside(newlines, quoted)]
    if len(text) and not text.endswith(b"\n"):
        ends = np.append(ends, len(text))
    separators = np.flatnonzero(data == separator[0])
    separators = separators[~_inside(separators, quoted)]
    starts = np.concatenate([[0], ends[:-1] + 1]).astype(np.int64) if len(ends) else ends
    per_row = np.searchsorted(separators, ends) - np.searchsorted(separators, starts)
    line = np.searchsorted(newlines, starts) + 1
    full = ends > starts
    rows = TextRows(starts[full], ends[full], line[full], per_row[full] + 1, quoted)
    if quoting == "auto" and len(quoted):
        _refuse_likely_strays(path, text, separator, rows, newlines, numeric)
    return rows


def _inside(places: NDArray[np.int64], spans: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return [places] whether each is in one of the sorted `spans` [m, 2]."""
    if not len(spans):
        return np.zeros(len(places), dtype=np.bool_)
    before = np.searchsorted(spans[:, 0], places, side="right") - 1
    result: NDArray[np.bool_] = (before >= 0) & (places < spans[before, 1])
    return result


def quoted_cell_pattern(separator: bytes) -> bytes:
    """Return the pattern of a quoted cell, whose first group is empty where it is not closed."""
    opening = rb'(?<![^\n%s])"' % re.escape(separator)
    return opening + rb'[^"]*+(?:""[^"]*+)*+("?)'


def _find_quoted_cells(path: Path, text: bytes, separator: bytes) -> NDArray[np.int64]:
    spans = []
    for match in re.finditer(quoted_cell_pattern(separator), text):
        if not match[1]:
            line = text.count(b"\n", 0, match.start()) + 1
            raise DataError(
                f"{path}, line {line}: a quote is opened and never closed:"
                f" {_show(text, match.start())}",
                f"close it; or {NO_QUOTES}",
            )
        if text[match.end() : match.end() + 1] not in (b"", b"\n", separator):
            line = text.count(b"\n", 0, match.start()) + 1
            until = line + match[0].count(b"\n")
            where = f" in line {until}" if until > line else ""
            raise DataError(
                f"{path}, line {line}: the quote that opens {_show(text, match.start())} is closed"
                f"{where} in the middle of a cell: {_show(text, match.end() - 1)}",
                f'write a quote in quotes twice (""); or {NO_QUOTES}',
            )
        spans.append(match.span())
    return np.array(spans, dtype=np.int64).reshape(-1, 2)


def _refuse_likely_strays(
    path: Path,
    text: bytes,
    separator: bytes,
    rows: TextRows,
    newlines: NDArray[np.int64],
    numeric: set[int] | None,
) -> None:
    """Refuse rows of several lines which would be rows of their own without quotes."""
    within = np.searchsorted(newlines, rows.stop) - np.searchsorted(newlines, rows.start)
    several = np.flatnonzero(within > 0)
    if not len(several):
        return
    width = int(rows.cells[0])
    if numeric is None:
        numeric = find_numeric_columns(text, separator, rows)
    for row in several.tolist():
        first, *others = text[rows.start[row] : rows.stop[row]].split(b"\n")
        if not _looks_like_row(first, separator, width, numeric):
            continue
        alike = sum(_looks_like_row(line, separator, width, numeric) for line in others)
        # Where no column of numbers tells rows from text, all lines must have their length.
        if 2 * alike >= len(others) if numeric else alike == len(others):
            line = int(rows.line[row])
            raise DataError(
                f"{path}, line {line}: a quote swallows line ends: lines {line} to"
                f" {line + len(others)} are one row if it quotes a cell, and {len(others) + 1} rows"
                f" if it is a character: {_show(text, int(rows.start[row]))}",
                f'{NO_QUOTES}, and quoting = "csv" if a cell may have several lines',
            )


def find_numeric_columns(text: bytes, separator: bytes, rows: TextRows) -> set[int]:
    """Return the columns that hold numbers in the lines in which the first rows begin."""
    width, seen = int(rows.cells[0]), False
    numeric = set(range(width))
    for start in rows.start[1:ROWS_SEEN].tolist():
        stop = text.find(b"\n", start)
        cells = text[start : len(text) if stop < 0 else stop].split(separator)
        if len(cells) == width:
            seen = True
            numeric = {column for column in numeric if _NUMBER.match(cells[column])}
    return numeric if seen else set()


def _looks_like_row(line: bytes, separator: bytes, width: int, numeric: set[int]) -> bool:
    cells = line.split(separator)
    return len(cells) == width and all(_NUMBER.match(cells[column]) for column in numeric)


def _show(text: bytes, start: int) -> str:
    stop = text.find(b"\n", start)
    line = text[start : len(text) if stop < 0 else stop]
    return repr(line[:_SHOWN].decode("utf-8", "replace"))
