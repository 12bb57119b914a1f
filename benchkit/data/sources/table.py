"""Your own data: an interactions table and an items table, as CSV, TSV or Parquet."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchkit.data.disk_table import Table, in_memory
from benchkit.data.raw import RawData
from benchkit.data.readers.column_map import SINGLE_VALUES, ColumnMap
from benchkit.data.readers.nested_values import join_nested_columns
from benchkit.data.readers.table_reader import TextOptions, read_large_table, read_table
from benchkit.data.sources.base import DataSource
from benchkit.errors import ConfigError

_KINDS = ("interactions", "items")
TextOption = str | Mapping[str, str] | None


def read_own_tables(
    interactions: str,
    items: str,
    columns: dict[str, Any] | None = None,
    separator: TextOption = None,
    encoding: TextOption = None,
    quoting: TextOption = None,
) -> RawData:
    """Your own tables: `interactions` (user, item, ...) and `items` (item, title, ...).

    columns: our name -> the files', e.g. {"user": "reviewer_id", "rating": "stars"}, or a
        map for each file: {"interactions": {...}, "items": {...}}.
    separator: between cells of a text file; by default what its header shows.
    encoding: what a text file is written in; by default UTF-8, or what its byte order mark says.
    quoting: "csv" where quotes open and close cells, which may have several lines; "none" where
        they are characters like any other; "auto" as "csv", but stops where it may be either.

    The last three may be tables, too: {"items": "latin-1"}.
    A table without `timestamp` is taken to be in the order of time.
    """
    paths = dict(zip(_KINDS, own_table_files(interactions, items), strict=True))
    text_options = {"separator": separator, "encoding": encoding, "quoting": quoting}
    of_file = {
        kind: TextOptions(**{n: _for_file(n, kind, value) for n, value in text_options.items()})
        for kind in paths
    }
    interactions_file = read_large_table(paths["interactions"], of_file["interactions"])
    items_file = read_table(paths["items"], of_file["items"])
    read: dict[str, Table] = {"interactions": interactions_file.table, "items": items_file.table}
    names = ColumnMap(columns, {kind: table.columns for kind, table in read.items()})
    tables: dict[str, Table] = {}
    for kind, table in read.items():
        named = names.rename(kind, str(paths[kind]), table)
        tables[kind] = join_nested_columns(str(paths[kind]), named, SINGLE_VALUES)
    return RawData(
        tables["interactions"],
        in_memory(tables["items"]),
        (str(paths["interactions"]), str(paths["items"])),
        interactions_file.lookup_lines,
        items_file.lookup_lines,
    )


def own_table_files(interactions: str, items: str, **_: Any) -> list[Path]:
    """Return the files that `read_own_tables` opens."""
    return [Path(interactions), Path(items)]


def _for_file(name: str, kind: str, value: TextOption) -> str | None:
    """Return an option for one of the files."""
    if isinstance(value, Mapping):
        if unknown := set(value) - set(_KINDS):
            raise ConfigError(
                f"options.{name}: there is no table {min(unknown)!r}",
                f"the tables are {' and '.join(_KINDS)}",
            )
        value = value.get(kind)
    if not (value is None or (isinstance(value, str) and value)):
        raise ConfigError(f"options.{name} = {value!r}", "give a text, or one for each file")
    return value


OWN_TABLES = DataSource("table", read_own_tables, own_table_files)
