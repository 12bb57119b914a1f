"""The criteria of a rubric in files of grades: each is compared by itself."""

from collections.abc import Iterable

import polars as pl


def list_criteria(tables: Iterable[pl.DataFrame]) -> list[str]:
    """Return what stands in the column "criterion" of tables of grades, in their order."""
    columns = map(criterion_column, tables)
    return list(dict.fromkeys(name for column in columns for name in column if name))


def criterion_column(table: pl.DataFrame) -> pl.Series:
    """Return the criterion of each grade; "" where a table names none."""
    if "criterion" not in table.columns:
        return pl.Series("criterion", [""] * len(table), dtype=pl.String)
    return table["criterion"].cast(pl.String).fill_null("").str.strip_chars()
