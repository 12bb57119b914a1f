"""Your own data: an interactions table and an items table, as CSV, TSV or Parquet."""

from pathlib import Path

import polars as pl

from benchkit.data.raw import RawData, make_line_lookup
from benchkit.data.sources.base import DataSource
from benchkit.errors import DataError

_READERS = (".csv", ".tsv", ".parquet")


def read_own_tables(
    interactions: str, items: str, columns: dict[str, str] | None = None
) -> RawData:
    """Your own tables: `interactions` (user, item, ...) and `items` (item, title, ...).

    columns: house name -> name in the files, e.g. {"user": "reviewer_id", "rating": "stars"}.
    A table without `timestamp` is taken to be in the order of time.
    """
    paths = own_table_files(interactions, items)
    renames = {theirs: ours for ours, theirs in (columns or {}).items()}
    tables = [_table(path, renames) for path in paths]
    header = [] if paths[0].suffix == ".parquet" else [1]
    origin = (str(paths[0]), str(paths[1]))
    return RawData(tables[0], tables[1], origin, make_line_lookup(header))


def own_table_files(
    interactions: str,
    items: str,
    columns: dict[str, str] | None = None,  # noqa: ARG001
) -> list[Path]:
    """The files that `read` opens."""
    return [Path(interactions), Path(items)]


def _table(path: Path, renames: dict[str, str]) -> pl.DataFrame:
    if not path.is_file():
        raise DataError(f"{path}: no such file", "paths in a suite are relative to its folder")
    if path.suffix not in _READERS:
        raise DataError(f"{path}: unknown kind of table", f"use one of {', '.join(_READERS)}")
    try:
        if path.suffix == ".parquet":
            table = pl.read_parquet(path)
        else:
            # Read as text: ids like "007" must not turn into numbers; types are checked later.
            separator = "\t" if path.suffix == ".tsv" else ","
            table = pl.read_csv(path, separator=separator, infer_schema=False)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise DataError(f"{path}: cannot be read: {error}", "check the file's format") from None
    return table.rename({old: new for old, new in renames.items() if old in table.columns})


OWN_TABLES = DataSource("table", read_own_tables, own_table_files)
