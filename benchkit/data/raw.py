"""What every source returns, and the checks that it must pass before anything is computed."""

from dataclasses import dataclass, field

import polars as pl

from benchkit.errors import DataError

_OPTIONAL = {"rating": pl.Float32, "timestamp": pl.Int64, "review": pl.String}


@dataclass(frozen=True)
class RawData:
    """Tables as read.

    interactions: `user`, `item` and, where the data has them, `rating`, `timestamp`, `review`;
        rows in file order. items: `item`, `title` and any further text columns.
    origin: names of the files, for messages. header_lines: lines before the first row of
        the interactions file, so that a message can name the line.
    funnel: what reading has counted so far, e.g. {"lines": 100000}.
    """

    interactions: pl.DataFrame
    items: pl.DataFrame
    origin: tuple[str, str] = ("interactions", "items")
    header_lines: int = 1
    funnel: dict[str, int] = field(default_factory=dict)


def checked(raw: RawData) -> RawData:
    """`raw` with its columns in the house types, or a DataError naming file, row and column."""
    interactions = _typed(raw)
    file, items_file = raw.origin
    items = raw.items
    for column in ("item", "title"):
        if column not in items.columns:
            raise _missing(items_file, column, items.columns)
    items = items.with_columns(pl.col("item").cast(pl.String), pl.col("title").cast(pl.String))
    repeated = items.filter(pl.col("item").is_duplicated())
    if len(repeated):
        raise DataError(
            f"{items_file}: item {repeated['item'][0]!r} stands in more than one row",
            "keep one row an item",
        )
    unknown = interactions.join(items, on="item", how="anti", maintain_order="left")
    if len(unknown):
        raise DataError(
            f"{file}: item {unknown['item'][0]!r} is not in {items_file}"
            f" ({unknown['item'].n_unique()} such items)",
            "add the items with their titles, or remove their interactions",
        )
    return RawData(interactions, items, raw.origin, raw.header_lines, raw.funnel)


def _typed(raw: RawData) -> pl.DataFrame:
    file, table = raw.origin[0], raw.interactions
    for column in ("user", "item"):
        if column not in table.columns:
            raise _missing(file, column, table.columns)
        _refuse(raw, column, pl.col(column).is_null(), "is empty")
        table = table.with_columns(pl.col(column).cast(pl.String))
        _refuse(raw, column, pl.col(column).cast(pl.String).str.len_bytes() == 0, "is empty")
    for column, dtype in _OPTIONAL.items():
        if column not in table.columns:
            continue
        numeric = dtype != pl.String
        if numeric:
            value = pl.col(column).cast(pl.Float64, strict=False)
            _refuse(raw, column, value.is_null(), "is missing or not a number")
            _refuse(raw, column, ~value.is_finite(), "is not a finite number")
            table = table.with_columns(value.cast(dtype))
        else:
            table = table.with_columns(pl.col(column).cast(dtype))
    known = ["user", "item", *(c for c in _OPTIONAL if c in table.columns)]
    return table.select(known)


def _refuse(raw: RawData, column: str, bad: pl.Expr, what: str) -> None:
    rows = raw.interactions.select(bad.alias("bad")).to_series().arg_true()
    if len(rows) == 0:
        return
    value = raw.interactions[column][rows[0]]
    raise DataError(
        f"{raw.origin[0]}, line {rows[0] + 1 + raw.header_lines}, column {column!r}:"
        f" {value!r} {what} ({len(rows)} such rows)",
        f"correct or remove these rows, or drop the column {column!r}"
        if column in _OPTIONAL
        else "correct or remove these rows",
    )


def _missing(file: str, column: str, present: list[str]) -> DataError:
    return DataError(
        f"{file}: no column {column!r}; it has {', '.join(map(repr, present))}",
        f"rename a column to {column!r}, or map it in the suite: "
        f'options.columns = {{ {column} = "its name in the file" }}',
    )
