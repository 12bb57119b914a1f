"""Figures and cases as tables with a schema: what is read is what was recorded."""

import csv
import json

import polars as pl
import pytest

from benchkit.api.exports.result_tables import CASE_COLUMNS, FIGURE_COLUMNS, write_result_tables
from benchkit.api.records import FIGURE_SCHEMA
from benchkit.csv_cells import unescape_cell
from tests.support.hostile_suites import run_hostile_suite


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    return run_hostile_suite(tmp_path_factory.mktemp("tables"))


def test_every_column_is_described(results):
    assert list(FIGURE_COLUMNS) == list(FIGURE_SCHEMA)
    others = set(results.cases().columns) - set(CASE_COLUMNS)
    metrics = {name for table in results.collected.tables for r in table.rows for name in r.cells}
    assert (
        set(CASE_COLUMNS) <= set(results.cases().columns) and {"hr@1", "mrr"} <= others <= metrics
    )


def test_parquet_holds_the_records(results, tmp_path):
    figures, cases, schema = write_result_tables(results, tmp_path, "parquet")
    assert pl.read_parquet(figures).equals(results.to_polars())
    assert pl.read_parquet(cases).equals(results.cases())
    package = json.loads(schema.read_text(encoding="utf-8"))
    for resource in package["resources"]:
        names = [field["name"] for field in resource["schema"]["fields"]]
        assert names == pl.read_parquet(tmp_path / resource["path"]).columns
        assert all(field["description"] for field in resource["schema"]["fields"])
    types = {f["name"]: f["type"] for f in package["resources"][0]["schema"]["fields"]}
    assert (types["mean"], types["n"], types["seeds"]) == ("number", "integer", "array")


def test_csv_holds_the_records(results, tmp_path):
    figures, cases, _ = results.write_tables(tmp_path)
    with cases.open(encoding="utf-8", newline="") as file:
        header, *rows = csv.reader(file)
    recorded = results.cases()
    assert header == recorded.columns and len(rows) == len(recorded)
    for row, record in zip(rows, recorded.iter_rows(named=True), strict=True):
        cells = dict(zip(header, row, strict=True))
        for name in ("case_id", "user", "target", "method"):
            assert unescape_cell(cells[name]) == record[name]
        assert json.loads(cells["scores"] or "null") == record["scores"]
        assert json.loads(cells["samples"] or "null") == record["samples"]
        assert (float(cells["mrr"]) if cells["mrr"] else None) == record["mrr"]
    with figures.open(encoding="utf-8", newline="") as file:
        means = [row["mean"] for row in csv.DictReader(file)]
    assert [float(mean) if mean else None for mean in means] == results.to_polars()[
        "mean"
    ].to_list()


def test_arrow_is_the_same_table(results):
    pytest.importorskip("pyarrow")
    assert pl.from_arrow(results.to_arrow()).equals(results.to_polars())
