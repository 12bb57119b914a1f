"""Published figures beside ours: which are read, which row they are of, what is said of them."""

from pathlib import Path

import pytest

from benchkit.config.suite import list_shipped_suites, load_suite
from benchkit.errors import ConfigError
from benchkit.report.paper import published_values
from benchkit.runs.records import PlannedRow, PlanRecord
from tests.support.published_csv import write_published

SHIPPED = Path(__file__).parents[3] / "leaderboards" / "published"


def plan_of(*labels, tasks=("toys",), **changes):
    return PlanRecord(
        suite="s", title="S", primary="hr@1", metrics=["hr@1"], protocols=["scored"],
        tasks=list(tasks), labels=list(labels),
        rows=[PlannedRow(task=t, label=m, family="cf", seed=0) for t in tasks for m in labels],
    ).model_copy(update=changes)  # fmt: skip


def test_only_rates_of_methods_in_settings_of_ours_are_read(tmp_path):
    folder = write_published(
        tmp_path, p=[
            "table1,toys,Counts,CF Rec,hr@1,4.2,,percent",
            "table1,toys,Counts,CF Rec,hr@5,0.30,,ratio",
            "table1,toys,-,,sparsity,0.99,,ratio",
            "table1,toys,Counts,,users,100,,count",
            "table1,toys,Counts,,hr@1,3.0,with rationales,percent",
            "table1,toys,Counts,,hr@1_relative_gain,40,,percent; lower bound",
            "table2,toys,Counts,,hr@1,9.9,,percent",
            "table1,toys,Ours,,hr@1,5.0,unseen domain,percent",
            "table1,toys,Ours,,hr@1,6.0,user cold-start,percent",
        ],
    )  # fmt: skip
    found = published_values.read_published_values(
        folder, ["p:table1", "p:table9", "absent:table1"]
    )
    assert [(f.domain, f.method, f.metric, f.value, f.unit, f.group) for f in found] == [
        ("toys", "Counts", "hr@1", 0.042, "percent", "CF Rec"),
        ("toys", "Counts", "hr@5", 0.30, "ratio", "CF Rec"),
        ("toys", "Ours", "hr@1", 0.05, "percent", ""),
        ("cold-users", "Ours", "hr@1", 0.06, "percent", ""),
    ]
    (folder / "p.csv").write_text("paper,table\np,table1\n")
    with pytest.raises(ConfigError, match="cannot be read"):
        published_values.read_published_values(folder, ["p:table1"])


@pytest.mark.parametrize(
    ("reference", "hint"),
    [
        ("c-ap:table2", "did you mean 'c-apo:table2'"),
        ("c-apo:tabel2", "did you mean 'c-apo:table2'"),
        ("c-apo:table1", "did you mean"),  # statistics of datasets
        ("nonsense", "known: c-apo:"),
    ],
)
def test_a_table_that_is_not_there_is_named_with_those_that_are(reference, hint):
    with pytest.raises(ConfigError) as caught:
        published_values.read_published_table(SHIPPED, reference)
    assert f"table or figure of a paper in {SHIPPED}: {reference!r}" in caught.value.cause
    assert hint in caught.value.hint


def test_a_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(ConfigError, match="nowhere: no such folder of published figures"):
        published_values.read_published_table(tmp_path / "nowhere", "c-apo:table2")


def test_a_whole_table_is_read():
    figures = published_values.read_published_table(SHIPPED, "c-apo:table2")
    assert len(figures) == 300
    assert list(dict.fromkeys(f.group for f in figures)) == ["CF Rec", "LLM Rec"]


def test_the_factors_of_training_time_are_those_of_the_text():
    found = published_values.read_time_ratios(SHIPPED, ["c-apo:section4.7"])
    assert {f.method for f in found} == {"C-APO"}
    # Rec-R1 takes 3.14 times as long; C-APO is slower than DPO by 1.11 and than S-DPO by 1.26.
    assert [(f.other, f.ratio) for f in found] == [
        ("Rec-R1", 3.14), ("DPO", pytest.approx(1 / 1.11)), ("S-DPO", pytest.approx(1 / 1.26)),
        ("PL", 1.001),
    ]  # fmt: skip
    assert found[1].quotation == "training slowdown 1.11 over DPO"
    assert published_values.read_time_ratios(SHIPPED, ["c-apo:table2"]) == []


def test_what_the_suite_names_and_stands_beside_no_row_is_told(tmp_path):
    folder = write_published(
        tmp_path / "published",
        p=["table1,toys,Counts,,hr@1,4.2,,percent", "table2,toys,Counts,,mrr,4.2,,percent",
           "table3,books,Counts,,hr@1,4.2,,percent",
           "times,-,Counts,,training_speedup,2,over Other,factor"],
    )  # fmt: skip
    named = [f"p:{table}" for table in ("table1", "table2", "table3", "times")]
    plan = plan_of("counts", "other", published=named, relative_to="counts")
    said = "has no figure that belongs beside a row of suite 's'"
    assert published_values.unmatched_tables(plan, folder) == [
        f"p:table2 {said}",
        f"p:table3 {said}",
    ]
    alone = plan.model_copy(update={"relative_to": "other"})
    assert f"p:times {said}" in published_values.unmatched_tables(alone, folder)
    (note,) = published_values.unmatched_tables(plan, tmp_path / "nowhere")
    assert "no published figures: there is no folder" in note
    assert published_values.unmatched_tables(plan_of("counts"), tmp_path / "nowhere") == []


@pytest.mark.parametrize("name", sorted(list_shipped_suites()))
def test_every_table_that_a_suite_names_stands_beside_a_row_of_it(name):
    suite = load_suite(name)
    labels, tasks = ([x.name for x in found] for found in (suite.methods, suite.tasks))
    plan = plan_of(
        *labels, tasks=tasks, suite=name, metrics=list(suite.metrics),
        published=list(suite.published), relative_to=suite.relative_to,
    )  # fmt: skip
    assert published_values.unmatched_tables(plan, SHIPPED) == []
