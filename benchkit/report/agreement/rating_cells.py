"""Cells of files of grades as names and numbers; errors name the row."""

import re
from pathlib import Path

import polars as pl

from benchkit.errors import DataError

_MISSING = ("", "na", "n/a", "nan", "null", "none", "-")
_DECIMAL_COMMA = r"[+-]?\d+,\d+"


def strip_names(names: pl.Expr) -> pl.Expr:
    """Return names without space around them; null where nothing is left."""
    text = names.cast(pl.String).str.strip_chars()
    return pl.when(text != "").then(text)


def read_numbers(path: Path, column: pl.Series, what: str) -> pl.Series:
    """Return a column's numbers, null where one is missing. Raises DataError for other cells."""
    if column.dtype.is_numeric():
        values = column.cast(pl.Float64).fill_nan(None)
        bad = values.is_infinite().fill_null(value=False)
    else:
        text = column.cast(pl.String).str.strip_chars()
        text = text.set(text.str.to_lowercase().is_in(_MISSING).fill_null(value=False), None)
        values = text.cast(pl.Float64, strict=False)
        bad = text.is_not_null() & (values.is_null() | ~values.is_finite().fill_null(value=False))
    if len(rows := bad.arg_true()):
        value, hint = column[rows[0]], f"write each {what} as a number and leave missing ones empty"
        if re.fullmatch(_DECIMAL_COMMA, str(value).strip()):
            hint = f"it has a decimal comma; write a point: {str(value).strip().replace(',', '.')}"
        raise DataError(
            f"{path}, row {rows[0] + 1}, column {column.name!r}: {value!r} is not a {what}"
            f" ({len(rows)} such rows)",
            hint,
        )
    return values


def refuse_missing_name(path: Path, names: pl.Series) -> None:
    """Raise DataError where a row lacks a name."""
    if len(rows := names.is_null().arg_true()):
        raise DataError(f"{path}, row {rows[0] + 1}: no {names.name}", f"fill in the {names.name}")


def refuse_weights(path: Path, weights: pl.Series) -> None:
    """Raise DataError where a weight is 0 or less."""
    if len(rows := (weights <= 0).arg_true()):
        raise DataError(
            f"{path}, row {rows[0] + 1}: weight {weights[rows[0]]:g} is not positive",
            "a weight is the number of answers that an answer represents",
        )
