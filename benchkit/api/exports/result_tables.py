"""The figures and cases of a suite as CSV or Parquet, with a schema that says what columns hold.

Reference: Data Package and Table Schema, version 1; https://specs.frictionlessdata.io
"""

import json
from pathlib import Path
from typing import Any, Literal

import polars as pl

from benchkit import io
from benchkit.api.results import Results
from benchkit.csv_cells import write_rows
from benchkit.io import slug

TableFormat = Literal["csv", "parquet"]
SCHEMA_FILE = "datapackage.json"
FIGURE_COLUMNS = {
    "suite": "Name of the suite in the store.",
    "task": "The dataset that was asked.",
    "protocol": "How the method was asked: scored, full or sampled.",
    "subgroup": "Which of the cases the figure is over; empty for all.",
    "method": "Label of the row.",
    "family": "Group of the method.",
    "metric": "Name of the metric, with its cutoff.",
    "mean": "Mean over cases and seeds.",
    "low": "Lower end of the 95 % bootstrap interval over users.",
    "high": "Upper end of the 95 % bootstrap interval over users.",
    "n": "Cases that the mean is over.",
    "users": "Users whose cases these are.",
    "chance": "Exact value of a random ranking; missing where the metric has none.",
    "p_above_chance": "p value of being above chance, Holm-adjusted over the rows of its table.",
    "seeds": "Seeds of the runs.",
    "status": "complete, or why the row has no figures.",
    "caveats": "What a reader must know of the row.",
}
CASE_COLUMNS = {
    "task": "The dataset that was asked.",
    "method": "Label of the row.",
    "seed": "Seed of the run.",
    "protocol": "How the method was asked: scored, full or sampled.",
    "case_id": "Id of the case.",
    "user": "Whose case it is.",
    "history_length": "Interactions in the request.",
    "target": "The relevant item.",
    "status": "ok, or why there is no answer.",
    "rationale": "The reason that the method gave.",
    "scores": "Scores of the candidates in their frozen order.",
    "samples": "Sampled answers in the order of drawing: text, item, rationale, status.",
}
_TYPES = {
    pl.String: "string", pl.Int64: "integer", pl.Float64: "number", pl.Boolean: "boolean",
}  # fmt: skip


def write_result_tables(results: Results, folder: Path, format_: TableFormat) -> list[Path]:
    """Write figures and cases, and `datapackage.json` with the schema of both.

    In CSV lists are JSON, a missing value is an empty cell, and a text that a spreadsheet would
    compute is marked by an apostrophe.

    Args:
        results: Of a suite.
        folder: Where the files go.
        format_: "csv" or "parquet".
    """
    tables = {"figures": results.to_polars(), "cases": results.cases()}
    paths, resources = [], []
    for name, table in tables.items():
        path = folder / f"{name}.{format_}"
        if format_ == "parquet":
            io.write_parquet(path, table)
        else:
            io.write_text(path, write_rows([table.columns, *map(_csv_row, table.iter_rows())]))
        paths.append(path)
        resources.append(_describe_table(name, path.name, table, format_))
    schema = folder / SCHEMA_FILE
    package = {"name": slug(results.suite).lower(), "profile": "data-package"}
    io.write_json(schema, {**package, "resources": resources})
    return [*paths, schema]


def describe_result_column(table: str, column: str) -> str:
    """Return what a column of `figures` or `cases` holds; cases have one a metric."""
    known = FIGURE_COLUMNS if table == "figures" else CASE_COLUMNS
    return known.get(column, f"Value of the metric {column} of the case.")


def _csv_row(row: tuple[Any, ...]) -> list[object]:
    return [_csv_cell(value) for value in row]


def _csv_cell(value: Any) -> object:
    if value is None or (isinstance(value, float) and value != value):
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | dict):
        return json.dumps(value, ensure_ascii=False)
    return value


def _describe_table(name: str, path: str, table: pl.DataFrame, format_: str) -> dict[str, Any]:
    fields = [
        {
            "name": column,
            "type": next((text for kind, text in _TYPES.items() if dtype == kind), "array"),
            "description": describe_result_column(name, column),
        }
        for column, dtype in table.schema.items()
    ]
    kind = "text/csv" if format_ == "csv" else "application/vnd.apache.parquet"
    schema = {"fields": fields, "missingValues": [""]}
    return {"name": name, "path": path, "format": format_, "mediatype": kind, "schema": schema}
