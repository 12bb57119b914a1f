"""Raters' grades as files hold them: one row a grade, or one column a rater."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from benchkit.errors import DataError

Floats = NDArray[np.float64]
_MISSING = ("", "na", "n/a", "nan", "null", "none", "-")


@dataclass(frozen=True, slots=True)
class Columns:
    """Names of the columns; without `system`, "system" where a file has it."""

    item: str = "item"
    rater: str = "rater"
    grade: str = "grade"
    system: str = ""


@dataclass(frozen=True, eq=False, slots=True)
class Sheet:
    """Grades [n, raters] of n items (with systems: n answers), NaN where missing."""

    items: tuple[str, ...]
    systems: tuple[str, ...] | None
    raters: tuple[str, ...]
    grades: Floats

    def only(self, raters: Sequence[str]) -> "Sheet":
        """The columns of these raters, in this order."""
        places = [self.raters.index(rater) for rater in raters]
        return replace(self, raters=tuple(raters), grades=self.grades[:, places])


def read_sheet(
    paths: Sequence[Path], columns: Columns | None = None, raters: Sequence[str] = ()
) -> Sheet:
    """The grades of all files together; items, systems and raters in the order they come.

    CSV, TSV, Parquet or JSONL. Long form: a row a grade; a file without a column for raters is one
    rater, named as the file. Wide form: with `raters`, a row an item and a column a rater; without
    a column for items, rows are items. An empty cell, NA, NaN, null or - is a missing grade.
    Raises DataError naming file, line and column.
    """
    columns = columns or Columns()
    tables = []
    for path in paths:
        table = _read(path)
        if not len(table):
            raise DataError(f"{path}: holds no row", "check that the file is whole")
        system = _system(path, table, columns)
        long = _melted(path, table, columns, raters) if raters else _long(path, table, columns)
        tables.append((path, system, long))
    if len({bool(system) for _, system, _ in tables}) > 1:
        raise DataError("some files name systems and others do not", "name them in all or in none")
    return _pivoted([table for _, _, table in tables], bool(tables[0][1]))


def _read(path: Path) -> pl.DataFrame:
    kind = path.suffix.lower()
    try:
        if kind in (".csv", ".tsv"):
            separator = "\t" if kind == ".tsv" else ","
            return pl.read_csv(path, separator=separator, infer_schema=False)
        if kind in (".parquet", ".pq"):
            return pl.read_parquet(path)
        if kind in (".jsonl", ".ndjson"):
            return pl.read_ndjson(path, infer_schema_length=None)
    except FileNotFoundError as error:
        raise DataError(f"there is no file {path}", "check the path") from error
    except pl.exceptions.NoDataError as error:
        raise DataError(f"{path}: is empty", "check that the file is whole") from error
    except (OSError, pl.exceptions.PolarsError) as error:
        raise DataError(f"{path}: {error}", "check that the file is whole") from error
    raise DataError(f"{path}: is of no known kind", "give .csv, .tsv, .parquet or .jsonl")


def _system(path: Path, table: pl.DataFrame, columns: Columns) -> str:
    if columns.system and columns.system not in table.columns:
        raise _without(path, table, columns.system, "--system")
    return columns.system or ("system" if "system" in table.columns else "")


def _long(path: Path, table: pl.DataFrame, columns: Columns) -> pl.DataFrame:
    for name, option in ((columns.item, "--item"), (columns.grade, "--grade")):
        if name not in table.columns:
            raise _without(path, table, name, option)
    rater = pl.col(columns.rater) if columns.rater in table.columns else pl.lit(path.stem)
    return _typed(path, table, columns, pl.col(columns.item), rater, columns.grade)


def _melted(
    path: Path, table: pl.DataFrame, columns: Columns, raters: Sequence[str]
) -> pl.DataFrame:
    for name in raters:
        if name not in table.columns:
            raise _without(path, table, name, "--raters")
    item = pl.col(columns.item)
    if columns.item not in table.columns:
        item = pl.int_range(1, pl.len() + 1)
    return pl.concat(_typed(path, table, columns, item, pl.lit(name), name) for name in raters)


def _typed(
    path: Path,
    table: pl.DataFrame,
    columns: Columns,
    item: pl.Expr,
    rater: pl.Expr,
    grade: str,
) -> pl.DataFrame:
    """Columns item, rater, grade (null where missing) and, where there are systems, system."""
    system = _system(path, table, columns)
    found = table.select(
        item.cast(pl.String).alias("item"),
        rater.cast(pl.String).alias("rater"),
        (pl.col(system).cast(pl.String) if system else pl.lit("")).alias("system"),
        _number(path, table[grade]).alias("grade"),
    )
    for name in ("item", "rater", "system"):
        if len(rows := found[name].is_null().arg_true()):
            raise DataError(f"{path}, row {rows[0] + 1}: no {name}", f"give each row its {name}")
    return found


def _number(path: Path, column: pl.Series) -> pl.Series:
    if column.dtype.is_numeric():
        values = column.cast(pl.Float64).fill_nan(None)
        bad = values.is_infinite().fill_null(value=False)
    else:
        text = column.cast(pl.String).str.strip_chars()
        text = text.set(text.str.to_lowercase().is_in(_MISSING).fill_null(value=False), None)
        values = text.cast(pl.Float64, strict=False)
        bad = text.is_not_null() & (values.is_null() | ~values.is_finite().fill_null(value=False))
    if len(rows := bad.arg_true()):
        raise DataError(
            f"{path}, row {rows[0] + 1}, column {column.name!r}: {column[rows[0]]!r} is no grade"
            f" ({len(rows)} such rows)",
            "write grades as numbers, and leave a missing grade empty",
        )
    return values


def _pivoted(tables: Sequence[pl.DataFrame], has_systems: bool) -> Sheet:
    table = pl.concat(tables)
    key = ["item", "system"]
    rows = table.select(key).unique(maintain_order=True).with_row_index("row")
    raters = table.select("rater").unique(maintain_order=True).with_row_index("column")
    table = table.join(rows, on=key, how="left", maintain_order="left")
    table = table.join(raters, on="rater", how="left", maintain_order="left")
    if len(twice := table.filter(pl.struct("row", "column").is_duplicated())):
        first = twice.row(0, named=True)
        answer = f"system {first['system']!r} on item" if has_systems else "item"
        raise DataError(
            f"rater {first['rater']!r} graded {answer} {first['item']!r} more than once"
            f" ({len(twice)} such grades)",
            "keep one grade; where several systems answer an item, name their column (--system)",
        )
    grades = np.full((len(rows), len(raters)), np.nan)
    grades[table["row"].to_numpy(), table["column"].to_numpy()] = (
        table["grade"].fill_null(float("nan")).to_numpy()
    )
    systems = tuple(rows["system"].to_list()) if has_systems else None
    return Sheet(tuple(rows["item"].to_list()), systems, tuple(raters["rater"].to_list()), grades)


def _without(path: Path, table: pl.DataFrame, name: str, option: str) -> DataError:
    present = ", ".join(map(repr, table.columns))
    return DataError(
        f"{path}: no column {name!r}; it has {present}",
        f"name the column with {option}"
        + ("" if option == "--raters" else ", or a column a rater with --raters"),
    )
