"""What every source returns, and the checks that it must pass before anything is computed."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np
import polars as pl
from numpy.typing import ArrayLike, NDArray

from benchkit.data.disk_table import (
    Table,
    change_column,
    find_rows,
    gather,
    iter_chunks,
)
from benchkit.data.readers.chunked_reader import line_numbers
from benchkit.data.readers.time_parsing import TimeUnit
from benchkit.errors import DataError
from benchkit.rating_scale import RatingScale

_NUMBERS = {"rating": pl.Float32}
_NO_RATING = ("", "nan", "na", "n/a", "null", "none", "\\n")  # in lower case
_OTHER_WAYS = {
    "rating": ', or set rating_scale = "implicit" in the dataset to read no ratings',
    "timestamp": ", or drop the column 'timestamp'",
}
LineLookup = Callable[[NDArray[np.int64]], NDArray[np.int64]]


def make_line_lookup(skipped: ArrayLike) -> LineLookup:
    """Return a function from rows to line numbers (from 1).

    skipped: the lines that gave no row, ascending.
    """
    return partial(line_numbers, skipped=np.asarray(skipped, dtype=np.int64))


@dataclass(frozen=True)
class RawData:
    """Tables as read."""

    interactions: Table
    """`user`, `item` (strings) and, where the data has them, `rating` (null for none),
    `timestamp`, `review`; rows in file order. On disk where they are too large for the memory."""
    items: pl.DataFrame | None
    """`item`, `title` and any further text columns; None where an item's id is its title."""
    origin: tuple[str, str] = ("interactions", "items")
    """Names of the files, for messages."""
    lookup_lines: LineLookup = field(default_factory=lambda: make_line_lookup([1]))  # a header
    """Returns the lines (from 1) of the first file that hold some rows of `interactions`, so that a
    message can name them."""
    lookup_item_lines: LineLookup | None = None
    """Likewise of `items`, where its file has lines."""
    time_unit: TimeUnit | None = None
    """The unit of `timestamp`, where the source's documentation says it."""
    funnel: dict[str, int] = field(default_factory=dict)
    """What reading has counted so far, e.g. {"lines": 100000}."""
    malformed: pl.DataFrame | None = None
    """Lines that could not be read: `file`, `line`, `reason`, `text`."""
    part: NDArray[np.uint8] | None = None
    """[n_rows] TRAIN, VALID or TEST where a split's files say it."""
    part_files: dict[int, str] = field(default_factory=dict)
    """Part -> name of its file, for messages."""
    reviews: Callable[[NDArray[np.int64]], Sequence[str | None]] | None = None
    """For sources too large to hold them: returns the reviews of some rows of `interactions`, by
    their positions (ascending). Called once, when it is known which rows are left."""
    texts: Callable[[Sequence[str]], pl.DataFrame] | None = None
    """Likewise, returns a table `item`, `title`, ... of some items in the order given."""
    rating_scale: RatingScale | None = None
    """The scale of the ratings, where the source's documentation says it."""

    def replace_interactions(self, interactions: Table) -> "RawData":
        """Return the same with other columns of the same rows."""
        return replace(self, interactions=interactions)


def validate_raw_data(raw: RawData) -> RawData:
    """Return `raw` with columns of the house types. Raises DataError naming file, row, column."""
    interactions = _cast_columns(raw)
    if raw.items is None:
        return replace(raw, interactions=interactions)
    items_file, items = raw.origin[1], raw.items
    for column in ("item", "title"):
        if column not in items.columns:
            raise _missing_column_error(items_file, column, items.columns)
    items = items.with_columns(pl.col("item").cast(pl.String), pl.col("title").cast(pl.String))
    repeated = items.filter(pl.col("item").is_duplicated())
    if len(repeated):
        raise DataError(
            f"{items_file}: item {repeated['item'][0]!r} stands in more than one row",
            "keep one row an item",
        )
    return replace(raw, interactions=interactions, items=items)


def _cast_columns(raw: RawData) -> Table:
    file, table = raw.origin[0], raw.interactions
    for column in ("user", "item"):
        if column not in table.columns:
            raise _missing_column_error(file, column, table.columns)
        _refuse(raw, column, pl.col(column).is_null(), "is empty")
        _refuse(raw, column, pl.col(column).cast(pl.String) == "", "is empty")
        table = _cast(table, column)
    if "rating" in table.columns:
        if not _is_clean(table, "rating"):
            table = change_column(table, "rating", _nulls_for_missing)
        raw = raw.replace_interactions(table)
    for column, dtype in _NUMBERS.items():
        if column in table.columns and not _is_clean(table, column):
            value = pl.col(column).cast(pl.Float64, strict=False)
            present = pl.lit(True) if column != "rating" else pl.col(column).is_not_null()
            _refuse(raw, column, present & value.is_null(), "is missing or not a number")
            _refuse(raw, column, ~value.is_finite(), "is not a finite number")
            table = change_column(table, column, partial(_cast_numbers, dtype=dtype))
    if "review" in table.columns:
        table = _cast(table, "review")
    names = ("user", "item", *_NUMBERS, "timestamp", "review")
    return table.select(*(c for c in names if c in table.columns))


def _cast_numbers(values: pl.Series, dtype: type[pl.DataType]) -> pl.Series:
    return values.cast(pl.Float64, strict=False).cast(dtype)


def _cast(table: Table, column: str) -> Table:
    """Return a table with a column as strings."""
    if table.schema[column] == pl.String:
        return table
    return change_column(table, column, lambda values: values.cast(pl.String))


def _nulls_for_missing(ratings: pl.Series) -> pl.Series:
    """Return ratings with null for each way to write that there is none."""
    if ratings.dtype == pl.String:
        missing = ratings.str.strip_chars().str.to_lowercase().is_in(_NO_RATING)
        values = pl.when(~missing).then(ratings)
        return pl.select(values.alias(ratings.name)).to_series()
    return ratings.fill_nan(None) if ratings.dtype.is_float() else ratings


def _is_clean(table: Table, column: str) -> bool:
    """Return whether a column needs no work, as those of large sources do not."""
    if table.schema[column] != _NUMBERS[column]:
        return False
    parts = (part[column] for part in iter_chunks(table, column))
    return all(
        bool(part.is_finite().all()) and not (part.null_count() and column != "rating")
        for part in parts
    )


def _refuse(raw: RawData, column: str, bad: pl.Expr, what: str) -> None:
    rows = find_rows(raw.interactions, bad)
    if len(rows) == 0:
        return
    value = gather(raw.interactions, column, rows[:1])[0]
    (line,) = raw.lookup_lines(rows[:1])
    raise DataError(
        f"{raw.origin[0]}, line {line}, column {column!r}:"
        f" {value!r} {what} ({len(rows)} such rows)",
        f"correct or remove these rows{_OTHER_WAYS.get(column, '')}",
    )


def _missing_column_error(file: str, column: str, present: list[str]) -> DataError:
    return DataError(
        f"{file}: no column {column!r}; it has {', '.join(map(repr, present))}",
        f"rename a column to {column!r}, or map it in the suite: "
        f'options.columns = {{ {column} = "its name in the file" }}',
    )
