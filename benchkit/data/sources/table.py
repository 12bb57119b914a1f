"""Your own data: an interactions table and an items table, as CSV, TSV or Parquet."""

from pathlib import Path

from benchkit.data.raw import RawData, make_line_lookup
from benchkit.data.readers.table_reader import read_table
from benchkit.data.sources.base import DataSource


def read_own_tables(
    interactions: str, items: str, columns: dict[str, str] | None = None
) -> RawData:
    """Your own tables: `interactions` (user, item, ...) and `items` (item, title, ...).

    columns: house name -> name in the files, e.g. {"user": "reviewer_id", "rating": "stars"}.
    A table without `timestamp` is taken to be in the order of time.
    """
    paths = own_table_files(interactions, items)
    renames = {file_name: house_name for house_name, file_name in (columns or {}).items()}
    tables = [read_table(path, renames) for path in paths]
    header = [] if paths[0].suffix == ".parquet" else [1]
    origin = (str(paths[0]), str(paths[1]))
    return RawData(tables[0], tables[1], origin, make_line_lookup(header))


def own_table_files(
    interactions: str,
    items: str,
    columns: dict[str, str] | None = None,  # noqa: ARG001
) -> list[Path]:
    """Return the files that `read_own_tables` opens."""
    return [Path(interactions), Path(items)]


OWN_TABLES = DataSource("table", read_own_tables, own_table_files)
