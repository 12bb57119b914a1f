"""Tables as Parquet or as text: CSV, TSV, RecBole atomic files and their like, packed or not."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Generic, TypeVar

import numpy as np
import polars as pl
from numpy.typing import NDArray

from benchkit.data.disk_table import CHUNK_ROWS, DiskTable, DiskWriter
from benchkit.data.out_of_core import choose_folder
from benchkit.data.readers.delimited_blocks import look_up, read_delimited_blocks
from benchkit.data.readers.delimited_text import TEXT_SUFFIXES, read_delimited_text
from benchkit.data.readers.text_decoding import PACKED_SUFFIXES
from benchkit.errors import DataError


@dataclass(frozen=True)
class TextOptions:
    """How a table of text is written; None is for what the file shows."""

    separator: str | None = None
    encoding: str | None = None
    quoting: str | None = None


_T = TypeVar("_T", pl.DataFrame, DiskTable)


@dataclass(frozen=True)
class FileTable(Generic[_T]):
    """A table and where its rows stand."""

    table: _T
    lookup_lines: Callable[[NDArray[np.int64]], NDArray[np.int64]]
    """Returns the lines (from 1) of some rows; of Parquet, which has no lines, the rows from 1."""


def read_table(path: Path, options: TextOptions | None = None) -> FileTable[pl.DataFrame]:
    """Read a table. Columns of text files are strings: an id like "007" is not a number.

    Args:
        path: A file whose ending says what it is, in small or capital letters.
        options: How a text file is written.

    Raises:
        ConfigError: An option does not exist.
        DataError: The file is missing, of an unknown kind, or damaged.
    """
    if not path.is_file():
        raise DataError(f"{path}: no such file", "paths in a suite are relative to its folder")
    suffix = _table_suffix(path)
    try:
        if suffix == ".parquet":
            return FileTable(pl.read_parquet(path), lambda rows: rows + 1)
        options = options or TextOptions()
        text = read_delimited_text(
            path, suffix, options.separator, options.encoding, options.quoting
        )
    except (pl.exceptions.PolarsError, OSError) as error:
        raise DataError(f"{path}: cannot be read: {error}", "check the file's format") from None
    return FileTable(text.table, text.lines.__getitem__)


def read_large_table(
    path: Path, options: TextOptions
) -> FileTable[pl.DataFrame] | FileTable[DiskTable]:
    """Read likewise, into a table on disk where the file is too large for the memory."""
    folder = choose_folder(path)
    if folder is None or not path.is_file():
        return read_table(path, options)
    suffix = _table_suffix(path)
    try:
        if suffix == ".parquet":
            return FileTable(_copy_parquet(path, folder), lambda rows: rows + 1)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise DataError(f"{path}: cannot be read: {error}", "check the file's format") from None
    tables = read_delimited_blocks(
        path, folder, suffix, options.separator, options.encoding, options.quoting
    )
    if tables is None:
        return read_table(path, options)
    return FileTable(tables[0], partial(look_up, tables[1]))


def _copy_parquet(path: Path, folder: Path) -> DiskTable:
    frame = pl.scan_parquet(path)
    writer = DiskWriter(frame.collect_schema(), folder)
    n_rows = frame.select(pl.len()).collect().item()
    for start in range(0, n_rows, CHUNK_ROWS):
        writer.append(frame.slice(start, CHUNK_ROWS).collect())
    return writer.finish()


def _table_suffix(path: Path) -> str:
    """Return the ending in small letters, without that of a packed file."""
    endings = [suffix.lower() for suffix in path.suffixes]
    if endings and endings[-1] in PACKED_SUFFIXES:
        endings.pop()
    suffix = endings[-1] if endings else ""
    if suffix not in (*TEXT_SUFFIXES, ".parquet"):
        kinds = ", ".join((*TEXT_SUFFIXES, ".parquet"))
        raise DataError(
            f"{path}: unknown kind of table",
            f"use one of {kinds}; text also packed: {', '.join(PACKED_SUFFIXES)}",
        )
    return suffix
