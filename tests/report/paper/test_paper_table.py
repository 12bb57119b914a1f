"""The papers' layout: families and domains, best and second, what is missing, published figures."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from benchkit.data.dataset_statistics import mark_synthetic
from benchkit.report.comparison.paired_comparison import ComparisonRequest, compare_suite
from benchkit.report.core.case_values import CaseValues
from benchkit.report.core.cell import Cell
from benchkit.report.core.collect import collect_results
from benchkit.report.core.labels import seed_notes
from benchkit.report.core.results import SuiteTables
from benchkit.report.leaderboard.tables import leaderboard_table
from benchkit.report.paper import rendering, rival_tests
from benchkit.report.paper.paper_table import AVERAGE, build_paper_tables
from benchkit.report.paper.published_values import PublishedValue
from benchkit.runs.store import Store
from benchkit.stats.multiple_testing import holm
from tests.support.paper_results import made, paper_markdown
from tests.support.suites import make_suite, run_all


def test_the_average_is_over_all_tasks_or_there_is_none():
    results = made({"one": {"a": 0.2, "b": 0.5}, "two": {"a": 0.4, "b": None}})
    (layout,) = build_paper_tables(results)
    a, b = layout.rows
    assert layout.columns[-1] == (AVERAGE, "hr@1")
    assert a.cells[AVERAGE, "hr@1"].mean == pytest.approx(0.3)
    assert (AVERAGE, "hr@1") not in b.cells
    assert b.missing_reasons == {"two": "failed: no memory"}
    text = paper_markdown(results.plan, [layout])
    assert "| b | **.500** | – | – |" in text
    assert "b, two: failed: no memory; it has no average." in text


def test_equal_reasons_are_one_note():
    tasks = {task: {"a": 0.2, "b": None, "c": None} for task in ("one", "two", "three")}
    tasks["two"]["c"] = 0.5
    results = made(tasks)
    (layout,) = build_paper_tables(results)
    (note,) = [line for line in rendering.paper_notes(layout) if "no memory" in line]
    assert note == "b, all tasks; c, one, three: failed: no memory; they have no average."
    (table,) = made({"one": {"a": 0.2, "b": None, "c": None}}).tables
    reason = "failed: " + "no memory at all " * 9
    rows = tuple(row if row.cells else replace(row, status=reason) for row in table.rows)
    text = leaderboard_table(results.plan, replace(table, rows=rows))
    assert [note for note in text.notes if "memory" in note] == [f"b, c {reason}"]


def test_best_and_second_share_their_place_when_equal():
    (layout,) = build_paper_tables(made({"one": {"a": 0.5, "b": 0.5, "c": 0.2, "d": 0.1}}))
    assert layout.top_ranks(("one", "hr@1")) == {"a": 1, "b": 1, "c": 2}


def test_families_are_groups_in_the_order_of_the_suite():
    (layout,) = build_paper_tables(made({"one": {"a": 0.1, "d": 0.3, "b": 0.2}}))
    assert [(f, [line.label for line in lines]) for f, lines in layout.families()] == [
        ("cf", ["a", "b"]), ("sft", ["d"]),
    ]  # fmt: skip


def test_intervals_are_there_on_request():
    results = made({"one": {"a": 0.5}})
    assert "[" not in paper_markdown(results.plan, build_paper_tables(results))
    assert ".500 [.400, .600]" in paper_markdown(results.plan, build_paper_tables(results), True)


def test_published_figures_and_differences_stand_below_a_row():
    results = made({"Fashion": {"recbole/SASRec": 0.5}})
    figures = [PublishedValue("p", "table1", "fashion", "SASRec", "hr@1", 0.42)]
    text = paper_markdown(results.plan, build_paper_tables(results, None, figures))
    assert "| published: p, table1 | .420 |" in text
    assert "| ours minus published | +0.080 |" in text


def test_generated_data_are_not_compared_with_a_papers():
    results = made({"Fashion": {"recbole/SASRec": 0.5}})
    figures = [PublishedValue("p", "table1", "fashion", "SASRec", "hr@1", 0.42)]
    plan = results.plan.model_copy(update={"title": mark_synthetic(results.plan.title)})
    text = paper_markdown(plan, build_paper_tables(results, None, figures))
    assert "| published: p, table1 | .420 |" in text
    assert "ours minus published" not in text


def test_the_mark_of_significance_needs_every_rival_beaten(methods, tmp_path):
    toy = {"source": "toy", "options": {"users": 400, "items": 50}, "candidates": {"count": 10}}
    named = [{"method": name} for name in ("markov", "random", "recs.py:Noise")]
    suite = make_suite(methods=named, datasets=[{"name": "toy", **toy}])
    run_all(suite, tmp_path)
    store = Store(tmp_path / "runs")
    results = collect_results(store, "small")
    (layout,) = build_paper_tables(results, store)
    places = layout.top_ranks(("toy", "ndcg@5"))
    best = next(line for line in layout.rows if places.get(line.label) == 1)
    assert ("toy", "ndcg@5") in best.significant
    assert all(not line.significant for line in layout.rows if line is not best)
    text = paper_markdown(results.plan, [layout])
    assert "† better than every other row" in text and "One seed: p is over users" in text


def test_the_mark_is_at_its_level_where_trainings_vary(monkeypatch, tmp_path):
    """500 users and 3 seeds whose means vary by .03: over users alone there would be differences in
    more than half of the cases, though there are none."""
    rng, n, marks, alone = np.random.default_rng(0), 500, 0, 0
    for _ in range(300):
        user = 0.5 + rng.normal(0, 0.1, n)
        drawn = {
            label: user + rng.normal(0, 0.03, (3, 1)) + rng.normal(0, 0.2, (3, n)) for label in "ab"
        }
        monkeypatch.setattr(
            rival_tests, "read_metric_values",
            lambda *asked, drawn=drawn: {
                metric: [CaseValues(x, ("c",) * n, drawn[x]) for x in own]
                for metric, own in asked[-1].items()
            },
        )  # fmt: skip
        results = made({"one": {label: own.mean() for label, own in drawn.items()}})
        (layout,) = build_paper_tables(results, Store(tmp_path))
        marks += any(line.significant for line in layout.rows)
        alone += stats.ttest_rel(drawn["a"].mean(0), drawn["b"].mean(0)).pvalue < 0.05
    assert 0 < marks / 300 < 0.07
    assert alone / 300 > 0.5


def test_the_mark_is_of_the_same_tests_as_a_comparison(methods, tmp_path):
    toy = {"source": "toy", "options": {"users": 400, "items": 50}, "candidates": {"count": 10}}
    named = [{"method": name} for name in ("markov", "random", "recs.py:Noise")]
    seeded = make_suite(methods=named, datasets=[{"name": "toy", **toy}], seeds=[0, 1, 2])
    run_all(seeded, tmp_path)
    store = Store(tmp_path / "runs")
    results = collect_results(store, "small")
    (layout,) = build_paper_tables(results, store)
    found = {
        column: compare_suite(
            store, "small", ComparisonRequest(against="markov", metric=column[1])
        ).pairs
        for column in layout.columns
    }
    lines = [line for own in found.values() for line in own]
    assert all(line.seeds_matter and line.difference > 0 for line in lines)
    adjusted = holm([line.p for line in lines]).reshape(len(found), 2).max(axis=1)
    markov = next(line for line in layout.rows if line.label == "markov")
    assert markov.significant == {c for c, p in zip(found, adjusted, strict=True) if p < 0.05}
    assert len(markov.significant) > 1
    assert "p is over users and seeds, as crossed random" in rendering.paper_notes(layout)[2]


@pytest.mark.parametrize(
    ("seeds", "said"),
    [
        ([(1, 1), (1, 1)], ["One seed"]),
        ([(2, 2), (1, 2)], ["Where a method has fewer than 3 seeds"]),
        (
            [(3, 3), (3, 1)],
            ["Between methods with 3 seeds", "Where a method has fewer than 3 seeds"],
        ),
        ([(3, 5)], ["Between methods with 3 seeds"]),
        ([], []),
    ],
)
def test_what_p_is_over(seeds, said):
    notes = seed_notes(seeds)
    assert len(notes) == len(said)
    assert all(note.startswith(start) for note, start in zip(notes, said, strict=True))


def test_the_same_method_twice_beats_nobody(methods, tmp_path):
    twice = [{"method": "recs.py:Counts"}, {"method": "recs.py:Counts", "label": "again"}]
    run_all(make_suite(methods=twice), tmp_path)
    store = Store(tmp_path / "runs")
    (layout,) = build_paper_tables(collect_results(store, "small"), store)
    assert all(not line.significant for line in layout.rows)


def test_tasks_of_different_kinds_have_no_average():
    results = made({"warm": {"a": 0.2, "b": 0.5}, "cold": {"a": 0.4, "b": None}})
    plan = results.plan.model_copy(update={"relative_drops": [("warm", "cold")]})
    (layout,) = build_paper_tables(replace(results, plan=plan))
    assert layout.columns == (("warm", "hr@1"), ("cold", "hr@1"))
    assert "average" not in paper_markdown(plan, [layout])


def test_a_metric_that_not_all_tasks_have_has_no_average():
    results = made({"one": {"a": 0.2}, "two": {"a": 0.4}})
    first, second = results.tables
    row = replace(second.rows[0], cells={"mrr": Cell(0.5)})
    second = replace(second, chance={"mrr": 0.1}, rows=(row,))
    plan = results.plan.model_copy(update={"metrics": ["hr@1", "mrr"]})
    (layout,) = build_paper_tables(SuiteTables(plan, (first, second)))
    assert layout.columns == (("one", "hr@1"), ("two", "mrr"))


def test_whole_catalogues_have_nothing_published_beside_them():
    figures = [PublishedValue("p", "table1", "fashion", "SASRec", "hr@1", 0.42)]
    for protocol in ("scored", "full"):
        results = made({"fashion": {"sasrec": 0.5}}, protocol=protocol)
        (layout,) = build_paper_tables(results, None, figures)
        assert bool(layout.rows[0].published) == (protocol == "scored")


def test_external_rows_are_said_to_be_among_the_rivals():
    (layout,) = build_paper_tables(made({"one": {"a": 0.5, "b": 0.4}}))
    lines = [replace(line, significant=frozenset({("one", "hr@1")})) for line in layout.rows]
    for external in (False, True):
        own = (replace(lines[0], external=external), lines[1])
        text = " ".join(rendering.paper_notes(replace(layout, rows=own)))
        assert ("external ones included" in text) is external
