"""RecBole's atomic files: `.inter` and `.item`, tab-separated, with a type behind each column name.

Reference: Zhao et al., RecBole, CIKM 2021; https://recbole.io/docs/user_guide/data/atomic_files.html
"""

from pathlib import Path
from typing import Literal

import polars as pl

from benchkit.data.raw import RawData, make_line_lookup
from benchkit.data.readers.table_reader import FileTable, TextOptions, read_table
from benchkit.data.sources.base import DataSource
from benchkit.errors import DataError

_IDS = ({"user_id": "user", "item_id": "item"}, {"item_id": "item"})  # of interactions, of items
_TYPES = ("token", "token_seq", "float", "float_seq")


def read_atomic_files(
    interactions: str,
    items: str = "",
    title: str = "",
    quoting: Literal["none", "csv"] = "none",
) -> RawData:
    """RecBole's atomic files: NAME.inter and, where there is one, NAME.item.

    interactions: the `.inter` file, with user_id, item_id and maybe rating, timestamp, review.
    items: the `.item` file; without it the id of an item is its title.
    title: the column of `items` that names an item; by default `title`, or the only one that ends
        with it, as movie_title does.
    quoting: "csv" where cells with tabs, line ends or quotes stand in quotes, as benchkit writes
        them and RecBole reads them; "none" where quotes are characters like any other.
    """
    paths = atomic_files(interactions, items)
    files = [_read(path, quoting) for path in paths]
    named = [_rename(file.table, ids) for file, ids in zip(files, _IDS, strict=False)]
    has_items = len(paths) > 1
    return RawData(
        named[0],
        _name_titles(paths[1], named[1], title) if has_items else None,
        (str(paths[0]), str(paths[-1])),
        files[0].lookup_lines,
        files[1].lookup_lines if has_items else None,
    )


def atomic_files(interactions: str, items: str = "", **_: object) -> list[Path]:
    """Return the files that `read_atomic_files` opens."""
    return [Path(path) for path in (interactions, items) if path]


def _read(path: Path, quoting: str) -> FileTable[pl.DataFrame]:
    if quoting == "none":
        return read_table(path, TextOptions(quoting="none"))
    if not path.is_file():
        raise DataError(f"{path}: no such file", "paths in a suite are relative to its folder")
    try:
        # As it is: every carriage return in a quoted cell counts, and "" differs from no value.
        table = pl.read_csv(
            path.read_bytes(), has_header=False, separator="\t", infer_schema=False, quote_char='"'
        )
    except (pl.exceptions.PolarsError, OSError) as error:
        raise DataError(f"{path}: cannot be read: {error}", "check the file's format") from None
    table.columns = [_split_type(path, cell or "") for cell in table.row(0)]
    # A cell may hold line ends, so that rows are counted instead of lines.
    return FileTable(table[1:], make_line_lookup([1]))


def _split_type(path: Path, cell: str) -> str:
    """Return the name of a column of a header `name:type`."""
    name, separator, kind = cell.rpartition(":")
    if not separator or kind not in _TYPES or not name:
        raise DataError(
            f"{path}: the column {cell!r} is no name:type",
            f"types are {', '.join(_TYPES)}: write user_id:token",
        )
    return name


def _rename(table: pl.DataFrame, names: dict[str, str]) -> pl.DataFrame:
    return table.rename({old: new for old, new in names.items() if old in table.columns})


def _name_titles(path: Path, items: pl.DataFrame, title: str) -> pl.DataFrame:
    """Return the items with their names in a column `title`."""
    if not title:
        likely = [name for name in items.columns if name.endswith("title")]
        title = "title" if "title" in likely else likely[0] if len(likely) == 1 else ""
    if title not in items.columns:
        columns = ", ".join(map(repr, items.columns))
        raise DataError(
            f"{path}: no column {title or 'title'!r}; it has {columns}",
            'say which names an item: options.title = "movie_title"',
        )
    if title != "title" and "title" in items.columns:
        items = items.rename({"title": "other_title"})
    return items.rename({title: "title"})


RECBOLE = DataSource("recbole", read_atomic_files, atomic_files)
