"""Read raters' grades from files with one row per grade, or one column per rater."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from benchkit.count_text import count_text
from benchkit.csv_cells import MARKED_TEXT, unescape_cell
from benchkit.data.readers.delimited_text import read_delimited_text
from benchkit.errors import DataError, check_unique
from benchkit.files.inspect_log import is_inspect_log
from benchkit.report.agreement.criteria import criterion_column
from benchkit.report.agreement.inspect_grades import read_inspect_grades
from benchkit.report.agreement.json_lines import read_json_lines
from benchkit.report.agreement.rating_cells import (
    read_numbers,
    refuse_missing_name,
    refuse_weights,
    strip_names,
)
from benchkit.stats.agreement.contingency import nonuniform_weights
from benchkit.stats.arrays import Floats


@dataclass(frozen=True, slots=True)
class RatingsColumns:
    """Names of columns; an empty one means the field's own name, where a file has that column."""

    item: str = "item"
    rater: str = "rater"
    grade: str = "grade"
    system: str = ""
    cluster: str = ""
    weight: str = ""


@dataclass(frozen=True, eq=False, slots=True)
class RatingsTable:
    """Grades of n items, or with systems of n answers."""

    items: tuple[str, ...]
    """[n]"""
    systems: tuple[str, ...] | None
    """[n] which system gave the answer."""
    raters: tuple[str, ...]
    grades: Floats
    """[n, raters], NaN where missing."""
    clusters: tuple[str, ...] | None = None
    """[n] what is resampled as one, where files name it: the user, or the case answered."""
    cases: tuple[str, ...] | None = None
    """[n] the case that was answered, where clusters hold several."""
    weights: Floats | None = None
    """[n] how many answers each represents; None where all weigh the same."""
    scales: tuple[str, ...] = ()
    """The scales that files name."""

    @property
    def resampling_units(self) -> tuple[str, ...] | None:
        """[n] units resampled as one: the clusters, else the items that systems answered."""
        return self.clusters or (self.items if self.systems else None)

    @property
    def questions(self) -> tuple[str, ...] | None:
        """[n] what several systems answered: the cases, else the units that are resampled."""
        return self.cases or self.resampling_units

    def select_raters(self, raters: Sequence[str]) -> "RatingsTable":
        """Return the columns of these raters, in this order."""
        places = [self.raters.index(rater) for rater in raters]
        return replace(self, raters=tuple(raters), grades=self.grades[:, places])


def read_ratings(
    paths: Sequence[Path],
    columns: RatingsColumns | None = None,
    raters: Sequence[str] = (),
    criterion: str = "",
) -> RatingsTable:
    """Read the grades of all files; items, systems and raters keep the order of the files.

    Files are CSV, TSV, Parquet or JSONL. An empty cell, NA, NaN, null or - is a missing grade. Only
    some of an item's rows need its cluster and weight. A column "scale" names the grades' scale.

    Args:
        paths: Files in long form, with a row per grade, where a file without a column of raters is
            one rater with the file's name; or in wide form.
        columns: Names of the columns.
        raters: Columns of a file in wide form, one per rater, with a row per item; without a column
            of items, rows are items.
        criterion: Only rows with this in the column "criterion".

    Raises:
        DataError: With the file, row and column.
    """
    columns = columns or RatingsColumns()
    check_unique("file", [str(path.resolve()) for path in paths])
    check_unique("rater", raters)
    tables = []
    for path in paths:
        table = read_ratings_file(path)
        if criterion:
            table = table.filter(criterion_column(table) == criterion)
        if not len(table):
            raise DataError(f"{path}: no rows", "check that the file is complete")
        tables.append(
            _melted(path, table, columns, raters) if raters else _long(path, table, columns)
        )
    if len({table["system"].is_null().all() for table in tables}) > 1:
        raise DataError(
            "some files have a column of systems and others do not",
            "add the column to all files or to none",
        )
    return _pivoted(pl.concat(tables))


def read_ratings_file(path: Path) -> pl.DataFrame:
    """Return a file's rows, with texts as cells unless it has types. Raises DataError."""
    kind = path.suffix.lower()
    try:
        if kind in (".csv", ".tsv"):
            return _read_text(path, kind)
        if kind in (".parquet", ".pq"):
            return pl.read_parquet(path)
        if kind in (".jsonl", ".ndjson"):
            return read_json_lines(path)
        if is_inspect_log(path):
            return read_inspect_grades(path)
    except FileNotFoundError as error:
        raise DataError(f"there is no file {path}", "check the path") from error
    except (OSError, pl.exceptions.PolarsError) as error:
        raise DataError(f"{path}: {error}", "check that the file is complete") from error
    raise DataError(
        f"{path}: unknown file type", "use .csv, .tsv, .parquet, .jsonl, or .json of Inspect"
    )


def _read_text(path: Path, kind: str) -> pl.DataFrame:
    try:
        table = read_delimited_text(path, kind, quoting="csv").table
    except DataError as error:  # whose hint names settings of suites
        raise DataError(
            error.cause, "write it as UTF-8, with commas (.csv) or tabs (.tsv) between the cells"
        ) from None
    cells = table.select(pl.all().str.replace(MARKED_TEXT, "${1}"))
    return cells.rename({name: unescape_cell(name) for name in cells.columns})


def _optional(path: Path, table: pl.DataFrame, name: str, default: str) -> pl.Series:
    """Return the column `name`, or `default` if it exists, or nulls."""
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
    """Return item, rater, system, cluster, case, scale, grade and weight; null where absent."""
    system, cluster, case, weight, scale = (
        _optional(path, table, name, default)
        for name, default in (
            (columns.system, "system"), (columns.cluster, "cluster"), ("", "case_id"),
            (columns.weight, "weight"), ("", "scale"),
        )
    )  # fmt: skip
    names = {
        "item": item, "rater": rater, "system": pl.lit(system), "cluster": pl.lit(cluster),
        "case": pl.lit(case), "scale": pl.lit(scale),
    }  # fmt: skip
    typed = table.select(
        *(strip_names(column).alias(name) for name, column in names.items()),
        read_numbers(path, table[grade], "grade").alias("grade"),
        read_numbers(path, weight, "weight").alias("weight"),
    )
    for name in ("item", "rater", "system"):
        if name != "system" or not typed[name].is_null().all():
            refuse_missing_name(path, typed[name])
    refuse_weights(path, typed["weight"])
    return typed


def _pivoted(table: pl.DataFrame) -> RatingsTable:
    key = ["item", "system"]
    rows = table.group_by(key, maintain_order=True).agg(
        pl.col("cluster", "case", "weight").drop_nulls().unique(maintain_order=True)
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
            f" ({count_text(len(twice), 'such grade')})",
            "keep one grade, or name the column of systems with --system if several answered it",
        )
    grades = np.full((len(rows), len(raters)), np.nan)
    grades[table["row"].to_numpy(), table["column"].to_numpy()] = (
        table["grade"].fill_null(float("nan")).to_numpy()
    )
    has_systems = not rows["system"].is_null().all()
    weights = _of_answer(rows, "weight")
    clusters = _of_answer(rows, "cluster")
    return RatingsTable(
        items=tuple(rows["item"].to_list()),
        systems=tuple(rows["system"].to_list()) if has_systems else None,
        raters=tuple(raters["rater"].to_list()),
        grades=grades,
        clusters=clusters,
        cases=_cases(rows, clusters),
        weights=None if weights is None else nonuniform_weights(weights),
        scales=tuple(table["scale"].drop_nulls().unique(maintain_order=True).to_list()),
    )


def _of_answer(rows: pl.DataFrame, name: str) -> tuple[Any, ...] | None:
    """Return the value of the column `name` for each answer; None where no row has one."""
    counts = rows[name].list.len()
    if not (counts > 0).any():
        return None
    for wrong, what in ((counts == 0, f"no {name}, but other items have one"),
                        (counts > 1, f"more than one {name}")):  # fmt: skip
        if len(places := wrong.arg_true()):
            raise DataError(
                f"{_answer(rows.row(places[0], named=True))} has {what}",
                f"give every item one {name}, the same in all its rows, or leave the column empty",
            )
    return tuple(rows[name].list.first().to_list())


def _cases(rows: pl.DataFrame, clusters: tuple[str, ...] | None) -> tuple[str, ...] | None:
    """Return the case of each answer, where a cluster has answers to several."""
    if clusters is None or (rows["case"].list.len() != 1).any():
        return None
    names = tuple(zip(clusters, rows["case"].list.first().to_list(), strict=True))
    if len(set(names)) == len(set(clusters)):
        return None
    return tuple(f"{cluster}/{case}" for cluster, case in names)


def _answer(row: Mapping[str, Any]) -> str:
    system = "" if row["system"] is None else f"system {row['system']!r} on "
    return f"{system}item {row['item']!r}"


def _without(path: Path, table: pl.DataFrame, name: str, option: str) -> DataError:
    present = ", ".join(map(repr, table.columns))
    return DataError(
        f"{path}: no column {name!r}; it has {present}",
        f"name the column with {option}"
        + ("" if option == "--raters" else ", or name one column per rater with --raters"),
    )
