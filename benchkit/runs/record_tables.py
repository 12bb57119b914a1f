"""Reading the tables of a store: each has the columns of its schema, or is refused."""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import polars as pl

from benchkit.files.disk_faults import read_hint
from benchkit.runs.record_files import damage_error
from benchkit.runs.records import TableSchema

# A damaged Parquet file can also make polars panic, which is no subclass of its other errors.
READ_ERRORS = (OSError, pl.exceptions.PolarsError, pl.exceptions.PanicException)


def read_stored_table(
    path: Path,
    schema: TableSchema,
    repair: str,
    optional: Collection[str] = (),
    only: bool = False,
) -> pl.DataFrame:
    """Return a Parquet table.

    Args:
        path: Its file.
        schema: Its columns; there may be others.
        repair: What a user does about damage.
        optional: Columns that tables of former schemas lack.
        only: Whether to read no column but those of `schema`.

    Raises:
        DamageError: It cannot be read, or lacks a column of `schema`.
    """
    try:
        columns = None
        if only:
            columns = [name for name in pl.read_parquet_schema(path) if name in schema]
        table = pl.read_parquet(path, columns=columns)
    except READ_ERRORS as error:
        raise damage_error(path, f"cannot be read: {error}", read_hint(error, repair)) from None
    for name, kind in schema.items():
        if name not in table.columns and name in optional:
            continue
        if table.schema.get(name) != kind:
            raise damage_error(path, f"column {name!r} is missing or of another type", repair)
    return table


def check_verdicts(verdicts: pl.DataFrame, rubric: Mapping[str, Any]) -> str:
    """Return what is wrong with the grades of verdicts, in words; empty if nothing is."""
    limits = {c["name"]: (c["low"], c["high"]) for c in rubric["criteria"]}
    if verdicts["case_id"].n_unique() < len(verdicts):
        return "it has a case twice"
    for case, grades in verdicts.select("case_id", "grades").iter_rows():
        for entry in grades or ():
            name, grade = entry["criterion"], entry["grade"]
            if name not in limits:
                return f"case {case!r} has a grade of {name!r}, which the rubric does not know"
            low, high = limits[name]
            if grade is None or not low <= grade <= high:
                return f"case {case!r} has the grade {grade} of {name!r}, outside {low}..{high}"
    return ""
