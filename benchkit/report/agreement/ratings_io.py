"""Raters' grades as files hold them: one row a grade, or one column a rater."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from benchkit.errors import DataError
from benchkit.stats.agreement.contingency import nonuniform_weights
from benchkit.stats.arrays import Floats

_MISSING = ("", "na", "n/a", "nan", "null", "none", "-")


@dataclass(frozen=True, slots=True)
class RatingsColumns:
    """Names of the columns; those without a name are `system`, `cluster`, `weight` where a file has
    them."""

    item: str = "item"
    rater: str = "rater"
    grade: str = "grade"
    system: str = ""
    cluster: str = ""
    weight: str = ""


@dataclass(frozen=True, eq=False, slots=True)
class RatingsTable:
    """Grades [n, raters] of n items (with systems: n answers), NaN where missing.

    clusters: [n] what the answers are to, as a file says it. weights: [n] how many answers each
    stands for; None where all weigh the same. scales: what files name as their scale.
    """

    items: tuple[str, ...]
    systems: tuple[str, ...] | None
    raters: tuple[str, ...]
    grades: Floats
    clusters: tuple[str, ...] | None = None
    weights: Floats | None = None
    scales: tuple[str, ...] = ()

    @property
    def resampling_units(self) -> tuple[str, ...] | None:
        """[n] what is resampled as one: the clusters, else the items that systems answered."""
        return self.clusters or (self.items if self.systems else None)

    def select_raters(self, raters: Sequence[str]) -> "RatingsTable":
        """The columns of these raters, in this order."""
        places = [self.raters.index(rater) for rater in raters]
        return replace(self, raters=tuple(raters), grades=self.grades[:, places])


def read_ratings(
    paths: Sequence[Path], columns: RatingsColumns | None = None, raters: Sequence[str] = ()
) -> RatingsTable:
    """The grades of all files together; items, systems and raters in the order they come.

    CSV, TSV, Parquet or JSONL. Long form: a row a grade; a file without a column for raters is one
    rater, named as the file. Wide form: with `raters`, a row an item and a column a rater; without
    a column for items, rows are items. An empty cell, NA, NaN, null or - is a missing grade.
    Cluster and weight may stand in some of an item's rows only. A column "scale" says on which
    scale the grades are. Raises DataError naming file, line and column.
    """
    columns = columns or RatingsColumns()
    tables = []
    for path in paths:
        table = _read(path)
        if not len(table):
            raise DataError(f"{path}: holds no row", "check that the file is whole")
        tables.append(
            _melted(path, table, columns, raters) if raters else _long(path, table, columns)
        )
    if len({table["system"].is_null().all() for table in tables}) > 1:
        raise DataError("some files name systems and others do not", "name them in all or in none")
    return _pivoted(pl.concat(tables))


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


def _optional(path: Path, table: pl.DataFrame, name: str, default: str) -> pl.Series:
    """The column `name`, or `default` where it is there; else nulls."""
    if name and name not in table.columns:
        raise _without(path, table, name, f"--{default}")
    if (column := name or default) in table.columns:
        return table[column]
    return pl.Series(default, [None] * len(table), dtype=pl.String)


def _long(path: Path, table: pl.DataFrame, columns: RatingsColumns) -> pl.DataFrame:
    for name, option in ((columns.item, "--item"), (columns.grade, "--grade")):
        if name not in table.columns:
            raise _without(path, table, name, option)
    rater = pl.col(columns.rater) if columns.rater in table.columns else pl.lit(path.stem)
    return _typed(path, table, columns, pl.col(columns.item), rater, columns.grade)


def _melted(
    path: Path, table: pl.DataFrame, columns: RatingsColumns, raters: Sequence[str]
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
    columns: RatingsColumns,
    item: pl.Expr,
    rater: pl.Expr,
    grade: str,
) -> pl.DataFrame:
    """Columns item, rater, system, cluster, scale, grade and weight; null where there is none."""
    system, cluster, weight, scale = (
        _optional(path, table, name, default)
        for name, default in (
            (columns.system, "system"), (columns.cluster, "cluster"), (columns.weight, "weight"),
            ("", "scale"),
        )
    )  # fmt: skip
    typed = table.select(
        item.cast(pl.String).alias("item"),
        rater.cast(pl.String).alias("rater"),
        system.cast(pl.String).alias("system"),
        cluster.cast(pl.String).alias("cluster"),
        scale.cast(pl.String).alias("scale"),
        _number(path, table[grade], "grade").alias("grade"),
        _number(path, weight, "weight").alias("weight"),
    )
    for name in ("item", "rater", "system"):
        rows = typed[name].is_null().arg_true()
        if len(rows) and not (name == "system" and len(rows) == len(typed)):
            raise DataError(f"{path}, row {rows[0] + 1}: no {name}", f"give each row its {name}")
    if len(rows := (typed["weight"] <= 0).arg_true()):
        raise DataError(
            f"{path}, row {rows[0] + 1}: weight {typed['weight'][rows[0]]:g} is not positive",
            "give as weight how many answers each stands for",
        )
    return typed


def _number(path: Path, column: pl.Series, what: str) -> pl.Series:
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
            f"{path}, row {rows[0] + 1}, column {column.name!r}: {column[rows[0]]!r} is no"
            f" {what} ({len(rows)} such rows)",
            f"write each {what} as a number, and leave a missing one empty",
        )
    return values


def _pivoted(table: pl.DataFrame) -> RatingsTable:
    key = ["item", "system"]
    rows = table.group_by(key, maintain_order=True).agg(
        pl.col("cluster", "weight").drop_nulls().unique(maintain_order=True)
    )
    raters = table.select("rater").unique(maintain_order=True).with_row_index("column")
    table = table.join(
        rows.select(key).with_row_index("row"), on=key, how="left", nulls_equal=True,
        maintain_order="left",
    )  # fmt: skip
    table = table.join(raters, on="rater", how="left", maintain_order="left")
    if len(twice := table.filter(pl.struct("row", "column").is_duplicated())):
        first = twice.row(0, named=True)
        raise DataError(
            f"rater {first['rater']!r} graded {_answer(first)} more than once"
            f" ({len(twice)} such grades)",
            "keep one grade; where several systems answer an item, name their column (--system)",
        )
    grades = np.full((len(rows), len(raters)), np.nan)
    grades[table["row"].to_numpy(), table["column"].to_numpy()] = (
        table["grade"].fill_null(float("nan")).to_numpy()
    )
    has_systems = not rows["system"].is_null().all()
    weights = _of_answer(rows, "weight")
    return RatingsTable(
        items=tuple(rows["item"].to_list()),
        systems=tuple(rows["system"].to_list()) if has_systems else None,
        raters=tuple(raters["rater"].to_list()),
        grades=grades,
        clusters=_of_answer(rows, "cluster"),
        weights=None if weights is None else nonuniform_weights(weights),
        scales=tuple(table["scale"].drop_nulls().unique(maintain_order=True).to_list()),
    )


def _of_answer(rows: pl.DataFrame, name: str) -> tuple[Any, ...] | None:
    """What the rows of each answer say in the column `name`; None where no row says anything."""
    counts = rows[name].list.len()
    if not (counts > 0).any():
        return None
    for wrong, what in ((counts == 0, f"no {name}, and others have one"),
                        (counts > 1, f"more than one {name}")):  # fmt: skip
        if len(places := wrong.arg_true()):
            raise DataError(
                f"{_answer(rows.row(places[0], named=True))} has {what}",
                f"give all rows of an item the same {name}, or none any",
            )
    return tuple(rows[name].list.first().to_list())


def _answer(row: Mapping[str, Any]) -> str:
    system = "" if row["system"] is None else f"system {row['system']!r} on "
    return f"{system}item {row['item']!r}"


def _without(path: Path, table: pl.DataFrame, name: str, option: str) -> DataError:
    present = ", ".join(map(repr, table.columns))
    return DataError(
        f"{path}: no column {name!r}; it has {present}",
        f"name the column with {option}"
        + ("" if option == "--raters" else ", or a column a rater with --raters"),
    )
