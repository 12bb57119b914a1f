"""Tables of grades, from records to what is printed: by hand."""

import csv
import io

import numpy as np
import pytest

from benchkit.report.grades.analysis import length_adjusted_means
from benchkit.report.grades.answers import answer_grades
from benchkit.report.grades.collection import collect_grades
from benchkit.report.grades.tables import GRADE_CSV_COLUMNS, grade_tables, grades_csv
from benchkit.report.site import judge_verdicts
from benchkit.runs.store import Store, find_replaced_judges
from benchkit.stats.bootstrap import mean_interval
from tests.support.judged_store import RUBRIC, Judged, answers, judge


@pytest.fixture
def made(tmp_path):
    return Judged(tmp_path)


def tables(made, *judges, **plan):
    plan = made.plan(*judges, **plan)
    return collect_grades(made.store, plan)


def rows(made, *judges, **plan):
    (table,) = tables(made, *judges, **plan)
    return {row.label: row for row in table.rows}


def printed(table):
    return {grid.header[1]: grid for grid in grade_tables("Made", [table])}


def lines(table):
    return list(csv.DictReader(io.StringIO(grades_csv("made", [table]))))


def test_every_table_says_the_kind_of_its_judge(made):
    by = judge("quality")
    made.judged("one", answers("judged", [3, 2] * 20), by=by)
    made.judged("two", answers("judged", [1, 2] * 20), by=by)
    (table,) = tables(made, by)
    found = list(grade_tables("Made", [table]))
    assert len(found) == 4  # overview, shares, by history, against the best
    assert all("judge quality (heuristic), rubric: Small, 0 to 3" in grid.title for grid in found)
    assert {line["judge_kind"] for line in lines(table)} == {"heuristic"}


@pytest.mark.parametrize(
    ("label", "kind", "shown"),
    [
        ("heuristic", "heuristic", "heuristic"),
        ("Heuristic, quality", "heuristic", "Heuristic, quality"),
        ("quality", "heuristic", "quality (heuristic)"),
        ("skillman", "llm", "skillman (llm)"),
        ("llm-large", "llm", "llm-large"),
        ("mine", "judges.py:Mine", "mine (judges.py:Mine)"),
    ],
)
def test_a_label_that_says_the_kind_is_enough(made, label, kind, shown):
    by = judge(label)
    made.judged("one", answers("judged", [3]), by=by, kind=kind)
    (table,) = tables(made, by)
    assert table.judge_title == shown


def test_the_two_stages_are_seen(made):
    found = answers("invalid", [0]) + answers("wrong", [0] * 3) + answers("judged", [3] * 4)
    made.judged("one", found)
    (table,) = tables(made)
    (row,) = table.rows
    assert (row.valid.mean, row.correct.mean, row.shares[0.0]) == (7 / 8, 0.5, 0.5)
    (overview,) = printed(table)["Scored"].rows
    assert overview[:5] == ("one", "8/8", "87.5 %", "50.0 %", shown(row.means["rating"]))
    (shares,) = printed(table)["Valid"].rows
    levels = ("50.0 %", "0.0 %", "0.0 %", "50.0 %")
    assert shares == ("one", "87.5 %", "50.0 %", *levels, "0.0 %", "0.0 %", "4")
    values = {line["statistic"]: line["value"] for line in lines(table)}
    assert (values["share valid"], values["share right"]) == ("0.875", "0.5")


def shown(cell):
    return f"{cell.mean:.2f} [{cell.low:.2f}, {cell.high:.2f}]"


def test_what_is_unscored_does_not_pull_the_mean_down(made):
    """r = .8 right, u = .2 of them unscored, quality 2.5: 2.00, where what is scored has 1.90."""
    right = answers("judged", [2, 3] * 32 + [None] * 16)
    made.judged("one", answers("wrong", [0] * 20) + right)
    row = rows(made)["one"]
    assert row.means["rating"].mean == pytest.approx(2.0)
    assert row.means["rating"].low < 2.0 < row.means["rating"].high
    assert row.means["rating"].n == 84
    assert row.mean_if_correct.mean == pytest.approx(2.5)
    assert row.warnings == ("only 64 of 80 judged answers have a grade",)


def test_with_every_grade_mean_and_interval_are_those_of_the_cases(made):
    grades = [0, 3, 2, 3, 1, 3, 2]
    made.judged("one", answers("wrong", [0] * 5) + answers("judged", grades))
    cell = rows(made)["one"].means["rating"]
    values = [0.0] * 5 + grades
    assert cell.mean == np.mean(values)
    assert (cell.low, cell.high) == mean_interval(values)


def test_seeds_of_a_case_share_its_weight(made):
    made.judged("one", answers("wrong", [0]) + answers("judged", [3, 2]), seed=0)
    made.judged("one", answers("judged", [2, None]) + answers("wrong", [0]), seed=1)
    # Half of three cases each: wrong 2 * 0.5; judged 4 * 0.5, of which 3 have a grade, 7/3.
    assert rows(made)["one"].means["rating"].mean == pytest.approx(4 / 6 * 7 / 3)


def test_a_stage_without_any_grade_leaves_the_mean_out(made):
    made.judged("one", answers("wrong", [0] * 3) + answers("judged", [None] * 3))
    made.judged("two", answers("judged", [2] * 6))
    (table,) = tables(made)
    row = table.rows[0]
    assert row.means == {}
    assert not table.comparisons
    notes = printed(table)["Scored"].notes
    assert "one: none of the judged answers has a grade, so the mean of all is left out." in notes


def test_what_nobody_graded_and_the_rubric_does_not_either_is_in_no_mean(made):
    found = answers("unanswered", [None] * 5) + answers("judged", [2, 3])
    made.judged("one", found)
    (table,) = tables(made)
    (row,) = table.rows
    assert row.means["rating"].mean == 2.5
    assert not row.warnings
    assert any("no grade for them: unanswered" in note for note in printed(table)["Scored"].notes)


@pytest.mark.parametrize("older", [False, True])
def test_hallucinations_are_those_of_the_judged_rationales(made, older):
    def naming(count):
        if older:
            return {"outside": None, "evidence": {"named_outside": count}}
        return {"outside": count}

    found = answers("judged", [3, 3, None], **naming(0)) + answers("judged", [1], **naming(2))
    made.judged("one", found + answers("wrong", [0], **naming(2)))
    (table,) = tables(made)
    assert table.rows[0].hallucinating.mean == 0.25
    assert "Hallucinating" in printed(table)["Valid"].header


def test_nobody_looked_for_hallucinations(made):
    made.judged("one", answers("judged", [3], outside=None), kind="llm")
    (table,) = tables(made)
    assert table.rows[0].hallucinating is None
    assert "Hallucinating" not in printed(table)["Valid"].header


def test_every_method_of_the_plan_has_a_row(made):
    made.judged("judged", answers("judged", [3, 2]))
    made.run("silent", rationale=" ")
    made.run("later")
    made.run("half", complete=False)
    made.run("unable", left_out="not applicable: needs cold_items")
    made.judged("some seeds", answers("judged", [3]))
    made.run("some seeds", seed=1)
    made.judged("failed", answers("judged", [3]), status="failed", error="the server is gone\nmore")
    (table,) = tables(made)
    assert {row.label: row.status for row in table.rows} == {
        "judged": "complete",
        "silent": "gives no rationales",
        "later": "not judged",
        "half": "not judged",
        "unable": "not applicable: needs cold_items",
        "some seeds": "not judged with every seed",
        "failed": "failed: the server is gone",
    }
    assert ("silent", "gives no rationales") in printed(table)["Scored"].rows
    assert {line["status"] for line in lines(table) if line["method"] == "later"} == {"not judged"}


def test_histories_are_grouped_as_the_suite_says(made):
    made.judged("one", answers("judged", [1], history=0) + answers("judged", [3, 2], history=4))
    (table,) = tables(made, buckets=[(4, 4)])
    assert [line[1:4] for line in printed(table)["History"].rows] == [
        ("0-3", "1", "1.00"), ("4", "2", "2.50"),
    ]  # fmt: skip
    (table,) = tables(made)
    statistics = {line["statistic"] for line in lines(table)}
    assert {"mean with a history of 0", "mean with a history of 3 to 7"} <= statistics


def test_the_best_method_is_that_of_the_highest_mean_and_the_choice_is_owned(made):
    wrong = answers("wrong", [0] * 20)
    made.judged("lossy", wrong + answers("judged", [2, 3] * 32 + [None] * 16))  # 2.00, not 1.90
    made.judged("whole", wrong + answers("judged", [2, 2, 3, 3, 2] * 16))  # 1.92
    (table,) = tables(made)
    (found,) = table.comparisons
    assert found.best == "lossy"
    notes = printed(table)["Higher"].notes
    assert any("no p allows for the choice" in note for note in notes)


def test_the_csv_has_a_value_in_every_column(made):
    made.judged("one", answers("judged", [3, 2]))
    made.run("later")
    (table,) = tables(made)
    assert tuple(lines(table)[0]) == GRADE_CSV_COLUMNS
    assert all(None not in line and None not in line.values() for line in lines(table))


def test_a_criterion_may_have_any_name(made):
    criteria = [{"name": name, "low": 0, "high": 3} for name in ("correct", "rating")]
    found = answers("judged", [1, 2])
    for row in found:
        row["grades"].append({"criterion": "correct", "grade": 3.0})
    made.judged("one", found, rubric={**RUBRIC, "criteria": criteria})
    row = rows(made)["one"]
    assert {name: cell.mean for name, cell in row.means.items()} == {"correct": 3.0, "rating": 1.5}
    assert row.correct.mean == 1.0


def test_the_page_shows_the_judges_of_the_plan_alone_as_the_tables_do(made):
    run = made.judged("one", answers("judged", [3, 3]), by=judge("quality", 1))
    graded = answers("wrong", [0]) + answers("judged", [2, None])
    made.verdicts(run, graded, judge("quality", 2), caveats=("rules",), warnings=("same model",))
    made.plan(judge("quality", 1))
    plan = made.plan(judge("quality", 2))
    (found,) = judge_verdicts.read_verdicts([run], plan.judges)
    assert found.summary == {
        "judge": "quality", "kind": "heuristic", "cases": 3, "scored": 2,
        "means": {"rating": "1.333"}, "remarks": ["rules"], "warnings": ["same model"],
    }  # fmt: skip
    (table,) = collect_grades(made.store, plan)
    assert f"{table.rows[0].means['rating'].mean:.3f}" == found.summary["means"]["rating"]
    assert found.verdict_rows["c1"]["grades"] == {"rating": 2.0}
    assert judge_verdicts.case_ids_with_verdicts(run, plan.judges) == ["c0", "c1", "c2"]
    assert judge_verdicts.read_verdicts([run], [judge("another", 3)]) == []


def test_the_page_has_the_means_of_all_seeds_and_the_examples_of_the_first(made):
    first = made.judged("one", answers("judged", [3, 3]), seed=0)
    second = made.judged("one", answers("judged", [1, 1]), seed=1)
    third = made.run("one", seed=2)
    (found,) = judge_verdicts.read_verdicts([first, second, third], [judge()])
    assert found.summary["means"] == {"rating": "2.000"}
    assert found.summary["remarks"] == ["over 2 of 3 seeds; examples are of the first"]
    assert found.verdict_rows["c0"]["grades"] == {"rating": 3.0}
    (found,) = judge_verdicts.read_verdicts([third, second], [judge()])
    assert found.verdict_rows == {}


def test_a_plan_says_which_judges_it_replaces(made):
    old = [judge("llm", 1, "a"), judge("heuristic", 2)]
    assert find_replaced_judges([judge("llm", 1, "a")], old) == []
    assert find_replaced_judges([judge("llm", 3, "b")], old) == [old[0]]
    assert find_replaced_judges([judge("llm, b", 3, "b")], old) == []
    made.run("one")
    made.plan(*old)
    assert made.plan(judge("llm", 3, "b")).judges == [judge("llm", 3, "b"), old[1]]


def test_a_judge_with_nothing_at_all_to_say_is_no_table(tmp_path):
    made = Judged(tmp_path)
    made.run("one")
    assert tables(made) == ()
    assert Store(tmp_path).plan("made").judges == [judge()]


def test_the_answers_that_equal_length_is_read_from_are_those_judged(made):
    words = ["tea " * (5 + place) for place in range(30)]
    found = [answers("judged", [3], rationale=text)[0] for text in words]
    run = made.judged("one", found + answers("wrong", [0] * 10))
    graded = answer_grades([run], [run.judgements()[0]])
    assert length_adjusted_means({"one": graded})["one"].n == 30
