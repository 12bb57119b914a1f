"""Lists and objects as text, where a table or a record holds them in place of one."""

from functools import partial
from typing import Any

import polars as pl

from benchkit.data.disk_table import Table, change_column
from benchkit.errors import DataError


def join_nested_columns(file: str, table: Table, single: frozenset[str]) -> Table:
    """Return a table with lists and objects as text: "a, b" and "key: value; key: value".

    Args:
        file: What messages call the table.
        table: Columns of any type.
        single: Columns of which a cell is one value: an id, a number, a time.

    Raises:
        DataError: One of `single` holds lists or objects, or a column holds bytes.
    """
    for name, dtype in table.schema.items():
        if dtype in (pl.Binary, pl.Object):
            raise DataError(
                f"{file}: column {name!r} holds {'bytes' if dtype == pl.Binary else 'objects'},"
                " which are no text",
                "convert the column to text, or leave it out of the file",
            )
        if not dtype.is_nested():
            continue
        if name in single:
            raise DataError(
                f"{file}: column {name!r} holds lists or objects ({dtype}), not one value",
                "write one row for each value, or map another column to this name",
            )
        between = "; " if isinstance(dtype, pl.Struct) else ", "
        table = change_column(table, name, partial(_flatten_column, between=between))
    return table


def _flatten_column(values: pl.Series, between: str) -> pl.Series:
    texts = [flatten_to_text(value, between) or None for value in values.to_list()]
    return pl.Series(values.name, texts, dtype=pl.String)


def flatten_to_text(value: Any, between: str) -> str:
    """Return a value of a metadata record as text: lists joined, objects as "key: value".

    >>> flatten_to_text({"Brand": "Acme", "Rank": {"Toys": 7}}, "; ")
    'Brand: Acme; Rank: Toys: 7'
    """
    if value is None or value == "None":
        return ""
    if isinstance(value, dict):
        value = [f"{key}: {text}" for key, v in value.items() if (text := flatten_to_text(v, ", "))]
    if isinstance(value, list):
        return between.join(text for v in value if (text := flatten_to_text(v, ", ")))
    text = str(value).replace("\0", "\ufffd").strip()
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
