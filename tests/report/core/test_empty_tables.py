"""Tables that say nothing: equal to another one, of cases that there are none of, without a row."""

from dataclasses import replace

import pytest

from benchkit.report.core.cell import Cell
from benchkit.report.core.collect import collect_results
from benchkit.report.core.empty_tables import omit_equal_tables
from benchkit.report.core.results import ResultRow, ResultTable
from benchkit.report.core.text_table import render_markdown
from benchkit.report.leaderboard.tables import leaderboard_table, print_results
from benchkit.report.paper.paper_table import build_paper_tables
from benchkit.report.paper.rendering import paper_text_table
from benchkit.runs.store import Store
from tests.support.suites import make_suite, run_all


def table(protocol, **means):
    """A table of one metric: {label: mean}."""
    rows = tuple(
        ResultRow("toys", protocol, label, "sft", "complete", cells={"hr@1": Cell(mean)})
        for label, mean in means.items()
    )
    return ResultTable("toys", protocol, "", {"hr@1": 0.1}, rows, ())


def test_the_mean_of_a_tokens_log_probability_has_no_table_where_it_changes_nothing():
    scored, per_token = (
        table("scored", filter=0.5, a=0.2, b=0.3),
        table("scored-mean", a=0.2, b=0.3),
    )
    (left,) = omit_equal_tables([scored, per_token])
    assert left.protocol == "scored"
    assert left.notes == ("Scored per token: the same figures for every method that has them.",)
    for other in (table("scored-mean", a=0.2, b=0.31), table("scored-mean", c=0.2)):
        assert omit_equal_tables([scored, other]) == [scored, other]
    assert omit_equal_tables([per_token]) == [per_token]
    part = replace(per_token, subgroup="history of 3 to 7")
    assert omit_equal_tables([scored, part]) == [scored, part]  # of other cases


@pytest.fixture
def results(methods, tmp_path):
    """Histories of 8 items and more, asked for from 1 on; three methods that cannot do `cold`."""
    tasks = [
        {"name": "warm", "test": "toy"},
        {"name": "cold", "test": "toy", "requires": ["cold_items"]},
    ]
    methods.write_text(
        methods.read_text() + "\nclass Cold(Counts):\n"
        "    capabilities = frozenset({'scores', 'cold_items'})\n"
    )
    suite = make_suite(
        "Cold", "Counts", "Noise", "Base", tasks=tasks, history_buckets=[[1, 2], [3, 90], [91]],
        drops=[["warm", "cold"]], protocols=["scored", "full"],
    )  # fmt: skip
    run_all(suite, tmp_path)
    return collect_results(Store(tmp_path / "runs"), "small")


def test_histories_that_no_case_has_are_a_note_instead_of_a_table(results):
    lengths = [t.subgroup for t in results.tables if (t.task, t.protocol) == ("warm", "scored")]
    histories = {title for title in lengths if title.startswith("history")}
    assert histories == {"history of 3 to 90"}
    assert all(row.cells for t in results.tables if "history" in t.subgroup for row in t.rows
               if not row.status.startswith("not applicable"))  # fmt: skip
    warm = next(t for t in results.tables if (t.task, t.protocol) == ("warm", "scored"))
    assert "No case has a history of 1 to 2 or a history of 91 or more." in warm.notes


def test_rows_that_a_method_cannot_have_are_one_line(results):
    cold = next(t for t in results.tables if t.task == "cold" and not t.subgroup)
    assert [row.label for row in cold.rows] == ["Cold", "Counts", "Noise", "Base"]  # on record
    text = render_markdown([leaderboard_table(results.plan, cold)])
    assert text.count("Counts") == text.count("not applicable") == 1
    assert "Counts, Noise, Base: not applicable: needs cold\\_items." in text
    drop = next(t for t in results.tables if t.subgroup.startswith("relative drop"))
    text = render_markdown([leaderboard_table(results.plan, drop)])
    assert text.count("Counts") == 1 and "| Cold" in text
    layouts = build_paper_tables(results)
    text = render_markdown(paper_text_table(results.plan, layout) for layout in layouts)
    assert "Counts, Noise, Base, cold: not applicable: needs cold\\_items." in text


def test_the_terminal_has_the_line_too(results, capsys):
    from benchkit.console import VisibleConsole

    print_results(VisibleConsole(width=80), results)
    text = capsys.readouterr().out
    assert "Counts, Noise, Base: not applicable: needs cold_items." in text
    assert max(map(len, text.splitlines())) <= 80
