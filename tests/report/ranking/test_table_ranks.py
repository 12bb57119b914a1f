"""Ranks in tables: which rows have one, mean ranks over tasks, and every format."""

import csv
import io
import json

import polars as pl
import pytest

from benchkit.api.stored_results import load_results
from benchkit.errors import ConfigError
from benchkit.report.core.collect import collect_results
from benchkit.report.leaderboard import writer
from benchkit.report.paper.paper_table import build_paper_tables
from benchkit.report.paper.rendering import paper_text_table
from benchkit.report.ranking.table_ranks import SuiteRanks
from benchkit.report.site import page, payload
from tests.support.command_line import invoked
from tests.support.result_store import make_store

LABELS = ["best", "second", "third", "last"]


@pytest.fixture
def store(tmp_path):
    tasks = ("toys", "tea", "books")
    return make_store(tmp_path / "runs", LABELS, tasks, users=200, failed=["third"])


def drop_cases(store, task, label, count):
    """Let a run have no values for its first cases."""
    (row,) = [r for r in store.plan("made").rows if (r.task, r.label) == (task, label)]
    run = store.run("made", task, label, row.run_id)
    rest = run.metrics().filter(~pl.col("case_id").is_in([f"test:{i}" for i in range(count)]))
    return run.path, rest


def suite_ranks(store):
    return SuiteRanks(store, collect_results(store, "made"))


def test_rows_with_figures_have_ranks(store):
    ranks = suite_ranks(store)
    table = ranks.results.tables[0]
    of_table = ranks.of_table(table)
    assert of_table.metric == "ndcg@5"
    assert list(of_table.rows) == ["best", "second", "last"]
    for rank in of_table.rows.values():
        assert 1 <= rank.low <= rank.rank <= rank.high <= 3
    assert of_table.rows["best"].low == 1 and of_table.rows["last"].low == 3
    assert not set(of_table.rows["best"].group) & set(of_table.rows["last"].group)
    assert ranks.of_table(table) is of_table  # computed once
    assert ranks.of_table(table, "coverage@5") is None


def test_rows_of_other_cases_are_left_out(store, monkeypatch):
    path, rest = drop_cases(store, "toys", "best", 3)
    ranks = suite_ranks(store)
    metrics = type(store.run("made", "toys", "best", "0")).metrics
    monkeypatch.setattr(
        "benchkit.runs.store.Run.metrics",
        lambda run: rest if run.path == path else metrics(run),
    )
    of_table = ranks.of_table(ranks.results.tables[0])
    assert of_table.left_out == ("best",)
    assert list(of_table.rows) == ["second", "last"]
    text = writer.render_ranks(ranks, "md")
    assert "Without a rank, because of values of other cases: best." in text
    overall = ranks.overall("scored")
    assert list(overall.rows) == ["second", "last"] and overall.left_out == ("best",)


def test_mean_ranks_and_win_rates_over_tasks(store):
    ranks = suite_ranks(store)
    overall = ranks.overall("scored")
    assert overall.tasks == ("toys", "tea", "books")
    tables = [ranks.of_table(table) for table in ranks.results.tables]
    for label, mean in overall.rows.items():
        of_tasks = [table.rows[label] for table in tables]
        assert mean.rank == pytest.approx(sum(rank.rank for rank in of_tasks) / 3)
        assert mean.low <= mean.rank <= mean.high
    assert overall.task_wins[0, 2] == 1 and overall.task_wins[2, 0] == 0
    assert overall.user_wins[0, 2] == pytest.approx(sum(t.wins[0, 2] for t in tables) / 3)
    alone = make_store(store.root.parent / "alone", LABELS, users=50)
    assert suite_ranks(alone).overall("scored") is None


def test_formats(store):
    ranks = suite_ranks(store)
    text = writer.render_ranks(ranks, "md")
    assert "| Method | Family | Rank | Group | HR@1 | NDCG@5 | Fit (s) |" in text
    assert "| third | preference | failed: it raised because |  |  |  |  |" in text
    assert "| last° | control | 3 | " in text and "mean ranks" in text and "win rates" in text
    assert r"\begin{tabular}{llrrrr}" in writer.render_ranks(ranks, "latex")
    lines = list(csv.DictReader(io.StringIO(writer.render_ranks(ranks, "csv"))))
    ends = {(r["task"], r["method"], r["metric"]): (r["rank_low"], r["rank_high"]) for r in lines}
    of_table = ranks.of_table(ranks.results.tables[0], "hr@1")
    for label, rank in of_table.rows.items():
        assert ends["toys", label, "hr@1"] == (f"{rank.low:.0f}", f"{rank.high:.0f}")
    assert ends["toys", "third", ""] == ("", "")
    data = json.loads(writer.render_ranks(ranks, "json"))
    assert len(data["tables"]) == 6 and [o["metric"] for o in data["overall"]] == ["ndcg@5"]
    assert data["overall"][0]["rows"][0]["method"] == "best"
    (paper,) = build_paper_tables(ranks.results)
    layout = paper_text_table(ranks.results.plan, paper, ranks=ranks)
    assert layout.header[3] == "Rank" and layout.header[-1] == "Mean rank"
    assert layout.groups[2] == "toys" and layout.groups[-1] == "average"
    assert {len(row.cells) for row in layout.rows} == {1, len(layout.header)}


def test_without_the_option_nothing_changes(store):
    results = load_results(store.root, "made")
    plain = results.table("md")
    assert "Rank" not in plain and "Group" not in plain
    header = results.table("csv").splitlines()[0]
    assert results.table("csv", ranks=True).splitlines()[0].startswith(header + ",rank,")


def test_the_table_of_ranks(store):
    frame = load_results(store.root, "made").ranks()
    assert frame.filter(pl.col("task").is_null())["method"].to_list() == ["best", "second", "last"]
    assert len(frame) == 12
    assert set(load_results(store.root, "made").ranks("hr@1")["metric"]) == {"hr@1"}
    with pytest.raises(ConfigError, match="hr@7"):
        load_results(store.root, "made").ranks("hr@7")


def test_the_page_has_ranks(store):
    results = collect_results(store, "made")
    blocks = payload.build_payload(results, store, (), None)
    lines = {row["label"]: row for row in blocks["table-0"]["rows"]}
    assert lines["last"]["rank"][1] == 3 and lines["last"]["rank"][0].startswith("3 ")
    assert "rank" not in lines["third"]
    assert blocks["table-0"]["rank_legend"][0].startswith("Rank in NDCG@5 among 3 rows")
    assert list(blocks["mean-ranks"]["scored"]["rows"]) == ["best", "second", "last"]
    assert 'id="data-mean-ranks"' in page.render_page(results, store)


def test_the_command(store, tmp_path):
    def report(*arguments, code=0):
        base = ("report", "--suite", "made", "--out", str(store.root))
        return invoked(*base, *arguments, code=code)

    done = report("--ranks", "--leaderboards", str(tmp_path / "boards"))
    assert "Rank" in done.stdout and "win rates" in done.stdout
    files = {path.name for path in (tmp_path / "boards" / "made").glob("ranks.*")}
    assert files == {"ranks.md", "ranks.tex", "ranks.csv", "ranks.json"}
    assert json.loads(report("--ranks", "--format", "json").stdout)["suite"] == "made"
    assert "Mean rank" in report("--ranks", "--layout", "paper").stdout
    for wrong in (
        ["--ranks", "--costs"], ["--ranks", "--paper", "p:table1"], ["--ranks", "--format", "html"],
        ["--format", "json"], ["--ranks", "--layout", "paper", "--format", "json"],
    ):  # fmt: skip
        report(*wrong, code=2)
