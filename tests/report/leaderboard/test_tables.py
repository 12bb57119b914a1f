"""Tables: what stands in them, what is escaped, and that they can be made again to the byte."""

import csv
import io

import pytest

from benchkit.errors import StoreError
from benchkit.report.core import labels
from benchkit.report.core.cell import Cell
from benchkit.report.core.collect import collect_results
from benchkit.report.leaderboard import tables
from benchkit.report.site import page
from benchkit.runs.store import Store
from benchkit.stats.multiple_testing import holm
from tests.support.suites import make_suite, run_all

NASTY = r"[50%] *<b>|_#{x}$&~^\ ü 推荐 ‮"


@pytest.fixture
def results(methods, tmp_path):
    suite = make_suite(
        title=NASTY,
        protocols=["scored", "full"],
        methods=[
            {"method": "recs.py:Counts", "label": NASTY},
            {"method": "recs.py:Noise"},
            {"method": "recs.py:Raises"},
        ],
    )
    run_all(suite, tmp_path)
    return collect_results(Store(tmp_path / "runs"), "small")


def test_marks_and_failed_rows(results):
    table = results.tables[0]
    by_label = {row.label: row for row in table.rows}
    assert labels.is_at_chance(by_label["Noise"], results.plan)
    assert by_label["Raises"].status.startswith("failed: it raised ZeroDivisionError")
    text = tables.leaderboard_markdown(results)
    assert f"Noise{labels.CHANCE_MARK}" in text
    assert "not a result; it shows the reason instead" in text


def test_holm_is_over_the_rows(results, tmp_path):
    store, table = Store(tmp_path / "runs"), results.tables[0]
    rows = [row for row in table.rows if row.cells]
    for metric in ("hr@1", "ndcg@5"):
        manifests = [
            store.run("small", row.task, row.label, row.run_ids[0]).manifest() for row in rows
        ]
        raw = [
            next(s.p_chance for s in m.summary if (s.protocol, s.metric) == ("scored", metric))
            for m in manifests
        ]
        assert [row.cells[metric].p for row in rows] == holm(raw).tolist() != raw


def test_markdown_cells_cannot_break_out(results):
    lines = [
        line for line in tables.leaderboard_markdown(results).splitlines() if line.startswith("|")
    ]
    bars = {line.replace(r"\|", "").count("|") for line in lines[:6]}
    assert len(bars) == 1
    assert "<b>" not in tables.leaderboard_markdown(results).replace(r"\<b\>", "")


def test_latex_is_escaped_and_balanced(results):
    text = tables.leaderboard_latex(results)
    blocks = text.count(r"\begin{tabular}")
    assert blocks == text.count(r"\end{tabular}") == 3  # the wide table in two
    assert text.count(r"\caption{") == 2
    escaped = r"{[}50\%{]} {*}\textless{}b\textgreater{}\textbar{}\_\#\{x\}\$\&"
    assert text.count("\n" + escaped) == blocks  # a row of each, where an option could stand
    assert text.replace(r"\{", "").count("{") == text.replace(r"\}", "").count("}")


def test_csv_holds_exact_numbers(results):
    rows = list(csv.DictReader(io.StringIO(tables.leaderboard_csv(results))))
    assert {row["protocol"] for row in rows} == {"scored", "full"}
    for row in rows:
        if row["status"] == "complete":
            table = next(t for t in results.tables if t.protocol == row["protocol"])
            cell = next(r for r in table.rows if r.label == row["method"]).cells[row["metric"]]
            assert float(row["mean"]) == cell.mean
        else:
            assert row["mean"] == ""


def test_same_store_same_bytes(results, tmp_path):
    again = collect_results(Store(tmp_path / "runs"), "small")
    for render in (tables.leaderboard_markdown, tables.leaderboard_latex, tables.leaderboard_csv):
        assert render(again) == render(results)


def test_rows_asked_different_cases_cannot_share_a_table(methods, tmp_path):
    run_all(make_suite("Counts", "Noise"), tmp_path)
    toy = {"source": "toy", "options": {"users": 40, "items": 50},
           "candidates": {"count": 10, "seed": 5}}  # fmt: skip
    other = make_suite("Counts", "Noise", datasets=[{"name": "toy", **toy}])
    run_all(other, tmp_path, methods=("Counts",))
    with pytest.raises(StoreError, match="evaluated on different cases"):
        collect_results(Store(tmp_path / "runs"), "small")


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        (Cell(0.61234, 0.59, 0.634, 9, 0.01), ".612 [.590, .634]"),
        (Cell(1.0, 1.0, 1.0, 9, 0.01), "1.000"),
        (Cell(0.5), ".500"),
    ],
)
def test_cells(cell, text):
    assert tables.format_cell(cell) == text


@pytest.mark.parametrize("pair", [["warm", "cold"], ["cold", "warm"]])
@pytest.mark.parametrize(
    ("method", "status"),
    [("Warm", "not applicable: needs cold_items"), ("FailsCold", "failed: ")],
)
def test_a_row_without_a_result_in_one_task_of_a_drop(methods, tmp_path, pair, method, status):
    extra = """

class Warm(Base):
    capabilities = frozenset({"scores"})


class FailsCold(Base):
    capabilities = frozenset({"scores", "cold_items"})

    def scores(self, request, run):
        if self.view.name.startswith("cold"):
            raise ValueError("nothing is known of them")
        return super().scores(request, run)


class Anything(Base):
    capabilities = frozenset({"scores", "cold_items"})
"""
    methods.write_text(methods.read_text() + extra)
    toy = {"source": "toy", "options": {"users": 60, "items": 100}, "candidates": {"count": 5}}
    suite = make_suite(
        "Anything",
        method,
        datasets=[
            {"name": "warm", **toy},
            {"name": "cold", **toy, "cold": {"of": "items", "share": 0.1}},
        ],
        tasks=[
            {"name": "warm", "test": "warm"},
            {"name": "cold", "test": "cold", "requires": ["cold_items"]},
        ],
        drops=[pair],
    )
    run_all(suite, tmp_path)
    store = Store(tmp_path / "runs")
    results = collect_results(store, "small")
    (drop,) = [table for table in results.tables if table.subgroup]
    rows = {row.label: row for row in drop.rows}
    assert drop.subgroup == f"relative drop from {pair[0]}"
    assert rows["Anything"].cells and rows[method].status.startswith(status)
    assert not (rows[method].cells or rows[method].run_ids or rows[method].seeds)
    assert status.rstrip() in tables.leaderboard_markdown(results).replace("\\_", "_")
    assert method in page.render_page(results, store)


def test_buckets_and_drops(methods, tmp_path):
    toy = {"source": "toy", "options": {"users": 40, "items": 50}, "candidates": {"count": 10}}
    suite = make_suite(
        "Counts",
        "Noise",
        datasets=[
            {"name": "warm", **toy},
            {"name": "cold", **toy, "cold": {"of": "users", "share": 0.5}},
        ],
        history_buckets=[[1, 9], [10]],
        drops=[["warm", "cold"]],
        metrics=["hr@1", "ndcg@5", "serendipity@5"],
        seeds=[0, 1],
    )
    run_all(suite, tmp_path)
    results = collect_results(Store(tmp_path / "runs"), "small")
    tables_by = {(t.task, t.subgroup): {r.label: r for r in t.rows} for t in results.tables}
    whole = tables_by["warm", ""]["Counts"].cells["hr@1"]
    parts = [
        tables_by["warm", part]["Counts"].cells["hr@1"]
        for part in ("history of 1 to 9", "history of 10 or more")
    ]
    assert tables_by["warm", ""]["Counts"].cost["scored_seconds"] > 0
    # Seconds, tokens and training are of all cases together.
    assert not any(row.cost for (_, p), rows in tables_by.items() if p for row in rows.values())
    assert sum(c.n for c in parts) == whole.n == 40
    assert sum(c.n * c.mean for c in parts) / 40 == pytest.approx(whole.mean)
    cold = tables_by["cold", ""]["Noise"].cells["ndcg@5"]
    warm = tables_by["warm", ""]["Noise"].cells["ndcg@5"]
    drop = tables_by["cold", "relative drop from warm"]["Noise"].cells["ndcg@5"]
    assert drop.mean == pytest.approx(1 - cold.mean / warm.mean)
    assert "P the 20% of the items" in tables.leaderboard_markdown(results)
