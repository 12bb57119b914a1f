"""Tables of text as CSV, TSV or RecBole atomic file, and Parquet tables."""

from collections.abc import Mapping
from pathlib import Path

import polars as pl

from benchkit.errors import DataError

_SEPARATORS = {".csv": ",", ".tsv": "\t", ".inter": "\t", ".item": "\t"}
_KINDS = (".csv", ".tsv", ".parquet")


def read_table(path: Path, renames: Mapping[str, str] | None = None) -> pl.DataFrame:
    """Read a table. Columns of text files are strings: an id like "007" is not a number.

    Args:
        path: A file whose suffix says what it is.
        renames: Name in the file -> name in the result.

    Raises:
        DataError: The file is missing, of an unknown kind, or damaged.
    """
    if not path.is_file():
        raise DataError(f"{path}: no such file", "paths in a suite are relative to its folder")
    if path.suffix not in {*_SEPARATORS, ".parquet"}:
        raise DataError(f"{path}: unknown kind of table", f"use one of {', '.join(_KINDS)}")
    try:
        table = pl.read_parquet(path) if path.suffix == ".parquet" else _read_text_table(path)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise DataError(f"{path}: cannot be read: {error}", "check the file's format") from None
    return table.rename({old: new for old, new in (renames or {}).items() if old in table.columns})


def _read_text_table(path: Path) -> pl.DataFrame:
    is_atomic = path.suffix in (".inter", ".item")  # without quoting, `name:type` in the header
    table = pl.read_csv(
        path,
        separator=_SEPARATORS[path.suffix],
        infer_schema=False,
        quote_char=None if is_atomic else '"',
    )
    if is_atomic:
        table = table.rename({name: name.partition(":")[0] for name in table.columns})
    return table
