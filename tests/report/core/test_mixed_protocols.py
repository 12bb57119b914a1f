"""Sampled figures of methods that are sampled beside scored ones of the others, as papers print."""

import csv
import io

import pytest

from benchkit.api.stored_results import load_results
from benchkit.errors import ConfigError
from benchkit.report.core.cell import Cell
from benchkit.report.core.collect import collect_results
from benchkit.report.core.mixed_protocols import choose_protocol, select_protocol
from benchkit.report.core.results import ResultRow, ResultTable, SuiteTables
from benchkit.runs.records import PlannedRow, PlanRecord
from benchkit.runs.store import Store
from tests.support.command_line import invoked
from tests.support.published_csv import write_published
from tests.support.samplers import SAMPLERS
from tests.support.suites import make_suite, run_all

METHODS = ("Counts", "Samples", "OnlySamples")
DECODING = {"n": 5, "temperature": 0.7, "top_p": 1.0, "constrained": False}


@pytest.fixture
def ran(methods, tmp_path):
    """A filter, a method that does both, one that only samples, and one that fails."""
    methods.write_text(methods.read_text() + SAMPLERS)
    suite = make_suite(
        *METHODS, "Raises", protocols=["scored", "sampled"], published=["p:table1"],
        metrics=["hr@1", "hr@5"], primary="hr@1", decoding={"n": 5, "temperature": 0.7},
    )  # fmt: skip
    run_all(suite, tmp_path)
    lines = [
        "table1,toy,Counts,CF Rec,hr@1,20.00,,percent",
        "table1,toy,Counts,CF Rec,hr@5,40.00,,percent",
        "table1,toy,Samples,LLM Rec,hr@1,5.00,,percent",
        "table1,toy,Samples,LLM Rec,hr@5,30.00,,percent",
    ]
    return write_published(tmp_path / "published", p=lines)


def rows_of(results, protocol):
    (table,) = select_protocol(results, protocol).tables
    return {row.label: row for row in table.rows}, table


def test_each_method_has_its_sampled_row_or_else_its_scored_one(ran, tmp_path):
    results = collect_results(Store(tmp_path / "runs"), "small")
    mixed, table = rows_of(results, "mixed")
    scored, sampled = rows_of(results, "scored")[0], rows_of(results, "sampled")[0]
    assert list(mixed) == [*METHODS, "Raises"]
    assert {label: row.protocol for label, row in mixed.items() if row.cells} == {
        "Counts": "scored", "Samples": "sampled", "OnlySamples": "sampled",
    }  # fmt: skip
    assert mixed["Counts"].cells["hr@5"] == scored["Counts"].cells["hr@5"]
    assert mixed["Samples"].cells == sampled["Samples"].cells
    assert mixed["Samples"].cells["hr@1"] != scored["Samples"].cells["hr@1"]
    assert mixed["Raises"].status.startswith("failed: ")
    # VALID of scores counts something else than VALID of samples.
    assert "valid" in scored["Counts"].cells and "valid" not in mixed["Counts"].cells
    assert table.chance_of(mixed["Counts"], "hr@5") == pytest.approx(0.5)
    assert table.chance_of(mixed["Samples"], "hr@5") == pytest.approx(1 - 0.9**5)


def test_hr_1_of_a_sampled_row_is_of_the_first_sample(ran, tmp_path):
    results = load_results(tmp_path / "runs", "small")
    cases = results.cases(method="Samples", protocol="sampled")
    hits = [row["samples"][0]["item"] == row["target"] for row in cases.iter_rows(named=True)]
    mixed, _ = rows_of(results.collected, "mixed")
    assert mixed["Samples"].cells["hr@1"].mean == pytest.approx(sum(hits) / len(hits))
    assert 0 < sum(hits) < len(hits)


def test_papers_tables_are_mixed_by_default_and_say_which_is_which(ran):
    text = invoked("report", "--suite", "small", "--paper", "p:table1", "--published", ran,
                   "--format", "md").stdout  # fmt: skip
    assert "(frozen candidates, sampled or scored)" in text
    assert "| *Chance, scored* | 10.00 | 50.00 |" in text
    assert "| *Chance, sampled* | 10.00 | 40.95 |" in text
    lines = text.splitlines()
    assert any(line.startswith(("| Counts | ", "| Counts° | ")) for line in lines)
    assert any(line.startswith("| Samples") and "‡ | " in line for line in lines)
    assert "‡ sampled (5 answers at temperature 0.7): Metrics of the first place" in text
    assert "Do not sample" not in text
    chosen = invoked("report", "--suite", "small", "--paper", "p:table1", "--published", ran,
                     "--protocol", "scored", "--format", "md").stdout  # fmt: skip
    assert "‡" not in chosen and "| *Chance* | 10.00 | 50.00 |" in chosen


@pytest.mark.parametrize("layout", ["tasks", "paper"])
def test_every_layout_has_the_view(ran, layout):
    arguments = ("report", "--suite", "small", "--layout", layout, "--protocol", "mixed")
    text = invoked(*arguments, "--format", "md").stdout
    assert text.count("frozen candidates, sampled or scored") == 1
    assert "*Chance, sampled*" in text and "OnlySamples" in text and "‡ sampled (5" in text
    assert r"$^{\ddagger}$" in invoked(*arguments, "--format", "latex").stdout
    rows = list(csv.DictReader(io.StringIO(invoked(*arguments, "--format", "csv").stdout)))
    by_method = {(row["method"], row["metric"]): row for row in rows}
    assert by_method["Counts", "hr@5"]["protocol"] == "scored"
    assert by_method["Samples", "hr@5"]["protocol"] == "sampled"
    assert float(by_method["Counts", "hr@5"]["chance"]) == pytest.approx(0.5)
    assert float(by_method["Samples", "hr@5"]["chance"]) == pytest.approx(1 - 0.9**5)
    terminal = invoked(*arguments).stdout
    assert "Samples" in terminal and "‡" in terminal


def made(**protocols):
    """Results of one task: protocol -> {label: mean}."""
    tables = tuple(
        ResultTable(
            "toys", protocol, "", {"hr@1": 0.1},
            tuple(
                ResultRow("toys", protocol, label, "cf", "complete" if mean else "not run",
                          cells={"hr@1": Cell(mean)} if mean else {})
                for label, mean in means.items()
            ),
            ("Do not sample: b.",), DECODING if protocol == "sampled" else {},
        )
        for protocol, means in protocols.items()
    )  # fmt: skip
    labels = list(dict.fromkeys(label for means in protocols.values() for label in means))
    plan = PlanRecord(
        suite="s", title="S", primary="hr@1", metrics=["hr@1"], protocols=list(protocols),
        tasks=["toys"], labels=labels,
        rows=[PlannedRow(task="toys", label=label, family="cf", seed=0) for label in labels],
    )  # fmt: skip
    return SuiteTables(plan, tables)


def test_a_sampled_row_without_figures_gives_way_to_a_scored_one():
    mixed, _ = rows_of(made(scored={"a": 0.3, "b": 0.2}, sampled={"a": None, "b": 0.1}), "mixed")
    assert {label: row.protocol for label, row in mixed.items()} == {"a": "scored", "b": "sampled"}
    mixed, _ = rows_of(made(scored={"a": 0.3}, sampled={"b": 0.1, "a": None}), "mixed")
    assert list(mixed) == ["a", "b"]


def test_the_protocol_of_papers_is_mixed_only_where_there_are_both():
    assert choose_protocol(made(scored={"a": 0.3}, sampled={"a": 0.1})) == "mixed"
    assert choose_protocol(made(scored={"a": 0.3}, sampled={"a": None})) == "scored"
    assert choose_protocol(made(sampled={"a": 0.3})) == "sampled"
    with pytest.raises(ConfigError, match="--protocol mixed: it needs results") as caught:
        select_protocol(made(scored={"a": 0.3}), "mixed")
    assert caught.value.hint == "choose of: scored"
    with pytest.raises(ConfigError, match="--protocol full: it has no results") as caught:
        select_protocol(made(scored={"a": 0.3}, sampled={"a": 0.1}), "full")
    assert caught.value.hint == "choose of: scored, sampled, mixed"
