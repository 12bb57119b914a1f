"""Tables of text that outgrow memory: read in blocks of whole rows, into columns on disk.

A block is read as `read_delimited_text` reads a text, with the header before it. What a block
cannot decide (whatever is refused, since a message counts the rows of the whole file, and texts
without usual line ends) is left to that function.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from benchkit.data.disk_table import DiskTable, DiskWriter, gather
from benchkit.data.readers import quoted_cells
from benchkit.data.readers.delimited_text import Dialect, find_dialect, parse_rows
from benchkit.data.readers.text_decoding import UNPACKING_ERRORS, iter_text
from benchkit.errors import ConfigError, DataError

BLOCK_BYTES = 16 << 20
_MAX_HELD = 8  # blocks: a row that is longer has a quote that is not closed, most likely


class _UndecidedError(Exception):
    """A block that cannot be read without the rest of the file."""


def read_delimited_blocks(
    path: Path,
    folder: Path,
    suffix: str,
    separator: str | None,
    encoding: str | None,
    quoting: str | None,
) -> tuple[DiskTable, DiskTable] | None:
    """Read a table of text into columns below `folder`.

    Returns:
        The table, and a table `line` of where each row begins; None where only the whole text
        decides what it is, or how it is wrong.
    """
    try:
        return _read(path, folder, suffix, separator, encoding, quoting)
    except (_UndecidedError, DataError, ConfigError, *UNPACKING_ERRORS):
        return None


def look_up(lines: DiskTable, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the lines (from 1) of some rows."""
    return gather(lines, "line", rows).to_numpy()


def _read(
    path: Path,
    folder: Path,
    suffix: str,
    separator: str | None,
    encoding: str | None,
    quoting: str | None,
) -> tuple[DiskTable, DiskTable]:
    pieces = _iter_blocks(path, encoding)
    first = next(pieces, b"")
    dialect, first = find_dialect(path, first, suffix, separator, quoting)
    header = first.lstrip(b"\n").partition(b"\n")[0]
    if header.count(b'"') % 2:
        raise _UndecidedError  # it may have several lines
    header = dialect.encode(path, header)
    writer, lines = None, DiskWriter({"line": pl.Int64()}, folder)
    numeric, many, at = None, False, 1  # `at`: the line in which a block begins
    for number, block in enumerate(_cut_at_rows(path, first, pieces, dialect)):
        text = block if number == 0 else header + b"\n" + block
        if numeric is None:
            rows = quoted_cells.split_rows(path, text, dialect.byte, dialect.quoting)
            numeric = quoted_cells.find_numeric_columns(text, dialect.byte, rows)
            many = len(rows.line) >= quoted_cells.ROWS_SEEN
        elif not many:
            raise _UndecidedError  # further rows show which columns hold numbers
        part = parse_rows(path, text, dialect, numeric)
        writer = writer or DiskWriter(part.table.schema, folder)
        writer.append(part.table)
        begin = part.lines if number == 0 else part.lines - 2 + at
        lines.append(pl.DataFrame({"line": begin}, schema={"line": pl.Int64}))
        at += block.count(b"\n")
    if writer is None:
        raise _UndecidedError
    return writer.finish(), lines.finish()


def _iter_blocks(path: Path, encoding: str | None) -> Iterator[bytes]:
    """Yield the text in blocks that end at a line end."""
    tail = b""
    for piece in iter_text(path, encoding, BLOCK_BYTES):
        cut = piece.rfind(b"\n") + 1
        if cut:
            yield tail + piece[:cut]
            tail = piece[cut:]
        elif len(tail) > _MAX_HELD * BLOCK_BYTES:
            raise _UndecidedError
        else:
            tail += piece
    if b"\r" in tail and b"\n" not in tail:
        raise _UndecidedError  # as old Macs ended lines, if there is no other line end
    if tail:
        yield tail


def _cut_at_rows(
    path: Path, first: bytes, pieces: Iterator[bytes], dialect: Dialect
) -> Iterator[bytes]:
    """Yield the encoded text in blocks that end at a row end, the first one with many rows."""
    held, is_first = dialect.encode(path, first), True
    for piece in pieces:
        cut = _find_row_end(held, dialect)
        enough = not is_first or held.count(b"\n") > 2 * quoted_cells.ROWS_SEEN
        if cut and enough:
            yield held[:cut]
            held, is_first = held[cut:], False
        elif len(held) > _MAX_HELD * BLOCK_BYTES:
            raise _UndecidedError
        held += dialect.encode(path, piece)
    if held:
        yield held


def _find_row_end(text: bytes, dialect: Dialect) -> int:
    """Return where the last row ends that is whole, 0 if none is."""
    if dialect.quoting == "none" or b'"' not in text:
        return text.rfind(b"\n") + 1
    upper, spans = len(text), []
    for match in re.finditer(quoted_cells.quoted_cell_pattern(dialect.byte), text):
        if not match[1]:
            upper = match.start()
            break
        spans.append(match.span())
    for start, stop in reversed(spans):
        place = text.rfind(b"\n", stop, upper)
        if place >= 0:
            return place + 1
        upper = start
    return text.rfind(b"\n", 0, upper) + 1
