"""Tables on a terminal: whatever its width, no figure, heading or name is cut."""

import io
import re

import pytest

from benchkit.console import VisibleConsole
from benchkit.report.core.cell import Cell
from benchkit.report.core.labels import metric_title
from benchkit.report.core.results import ResultRow, ResultTable, SuiteTables
from benchkit.report.core.terminal_table import print_tables
from benchkit.report.core.text_table import TextTable
from benchkit.report.leaderboard.cost_table import build_cost_tables
from benchkit.report.leaderboard.tables import print_results
from benchkit.runs.records import PlanRecord

METRICS = ["hr@1", "hr@5", "ndcg@5", "mrr", "hr@10", "ndcg@10", "recall@20", "graded-ndcg@20"]
REASON = "failed: the server refused each of the first twenty requests"


def leaderboard(name_length, n_metrics):
    """Rows with names of a length, each figure another one, and a row without figures."""
    metrics = METRICS[:n_metrics]
    rows = [
        ResultRow(
            "toys", "scored", f"{place}{'n' * (name_length - 1)}", "cf", "complete",
            cells={
                metric: Cell((f := place / 10 + column / 100 + 0.101), f - 0.05, f + 0.0512, 900)
                for column, metric in enumerate([*metrics, "valid", "coverage@5"])
            },
            cost={"fit_seconds": 12345.6},
        )
        for place in range(4)
    ]  # fmt: skip
    rows.append(ResultRow("toys", "scored", "b" * name_length, "cf", REASON))
    chance = dict.fromkeys(metrics, 1 / 30)
    table = ResultTable("toys", "scored", "", chance, tuple(rows), ())
    plan = PlanRecord(
        suite="s", title="S", primary="ndcg@5", metrics=metrics, protocols=["scored"],
        tasks=["toys"], labels=[row.label for row in rows], rows=[],
    )  # fmt: skip
    return SuiteTables(plan, (table,))


def print_at(width, show):
    out = io.StringIO()
    show(VisibleConsole(file=out, width=width, color_system=None))
    return out.getvalue()


@pytest.mark.parametrize("width", [80, 100, 140])
@pytest.mark.parametrize("name_length", [4, 12, 25, 40])
@pytest.mark.parametrize("n_metrics", [3, 5, 8])
def test_no_figure_name_or_heading_of_a_leaderboard_is_cut(width, name_length, n_metrics):
    results = leaderboard(name_length, n_metrics)
    text = print_at(width, lambda console: print_results(console, results))
    assert "…" not in text and max(map(len, text.splitlines())) <= width
    for row in results.tables[0].rows[:4]:
        assert re.search(rf"^{row.label[:30]}", text, flags=re.MULTILINE)
        for metric in results.plan.metrics:
            mean = f"{row.cells[metric].mean:.3f}".removeprefix("0")
            assert re.search(rf"{re.escape(mean)} (±\.051|\[\.\d+, \.\d+\])", text)
    titles = [metric_title(metric) for metric in results.plan.metrics]
    assert all(title in text for title in (*titles, "VALID", "12345.6"))
    assert " ".join(REASON.split()[:3]) in text  # it spans the columns of figures
    assert print_at(width, lambda c: print_results(c, results)) == text


def test_columns_that_do_not_fit_follow_below_with_the_names_again():
    row = ("popularity", *(f"{column}.234" for column in range(12)))
    table = TextTable("t", ("Method", *(f"M{column}" for column in range(12))), (row,))
    text = print_at(50, lambda console: print_tables(console, [table]))
    assert text.count("popularity") == text.count("Method") == 3
    assert all(cell in text for cell in row)
    blocks = [line.split()[1:] for line in text.splitlines() if line.startswith("Method")]
    assert [len(block) for block in blocks] == [4, 4, 4]  # none has one column alone


def test_words_are_wrapped_before_columns_are_split():
    text = "no difference that the data of these users could have shown at all"
    table = TextTable("t", ("Pair", "Conclusion", "p"), (("a - b", text, ".034"),))
    lines = print_at(40, lambda console: print_tables(console, [table])).splitlines()
    assert sum(line.startswith("Pair") for line in lines) == 1
    assert [word for line in lines for word in line.split() if word in text.split()] != []
    joined = " ".join(" ".join(line.split()) for line in lines)
    assert all(word in joined.split() for word in text.split())


def test_wide_letters_count_twice():
    table = TextTable("t", ("Method", "p"), (("推荐系统", ".034"), ("plain", ".101")))
    lines = print_at(40, lambda console: print_tables(console, [table])).splitlines()[-2:]
    assert [line.index(".") + 4 * (n == 0) for n, line in enumerate(lines)] == [10, 10]


@pytest.mark.parametrize("width", [40, 80, 100, 140])
def test_no_cost_is_cut(width):
    costs = list(build_cost_tables(leaderboard(25, 3)))
    text = print_at(width, lambda console: print_tables(console, costs))
    assert "…" not in text and text.count("12,346") == 4
