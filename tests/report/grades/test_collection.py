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
def judged(tmp_path):
    return Judged(tmp_path)


def tables(judged, *judges, **plan):
    plan = judged.plan(*judges, **plan)
    return collect_grades(judged.store, plan)


def rows(judged, *judges, **plan):
    (table,) = tables(judged, *judges, **plan)
    return {row.label: row for row in table.rows}


def printed(table):
    return {grid.header[1]: grid for grid in grade_tables("Made", [table])}


def lines(table):
    return list(csv.DictReader(io.StringIO(grades_csv("made", [table]))))


def test_every_table_says_the_kind_of_its_judge(judged):
    by = judge("quality")
    judged.judged("one", answers("judged", [3, 2] * 20), by=by)
    judged.judged("two", answers("judged", [1, 2] * 20), by=by)
    (table,) = tables(judged, by)
    collected = list(grade_tables("Made", [table]))
    *of_judge, texts = collected
    assert len(of_judge) == 4  # overview, shares, by history, against the best
    assert all(
        "judge quality (heuristic), rubric: Small, 0 to 3" in grid.title for grid in of_judge
    )
    assert texts.title == "Made: tea, text statistics (not a judgement of quality)"
    assert {line["judge_kind"] for line in lines(table)} == {"heuristic"}


@pytest.mark.parametrize(
    ("label", "kind", "title"),
    [
        ("heuristic", "heuristic", "heuristic"),
        ("Heuristic, quality", "heuristic", "Heuristic, quality"),
        ("quality", "heuristic", "quality (heuristic)"),
        ("skillman", "llm", "skillman (llm)"),
        ("llm-large", "llm", "llm-large"),
        ("mine", "judges.py:Mine", "mine (judges.py:Mine)"),
    ],
)
def test_a_label_that_says_the_kind_is_enough(judged, label, kind, title):
    by = judge(label)
    judged.judged("one", answers("judged", [3]), by=by, kind=kind)
    (table,) = tables(judged, by)
    assert table.judge_title == title


def test_the_two_stages_are_seen(judged):
    collected = answers("invalid", [0]) + answers("wrong", [0] * 3) + answers("judged", [3] * 4)
    judged.judged("one", collected)
    (table,) = tables(judged)
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


def test_what_is_unscored_does_not_pull_the_mean_down(judged):
    """r = .8 right, u = .2 of them unscored, quality 2.5: 2.00, where what is scored has 1.90."""
    right = answers("judged", [2, 3] * 32 + [None] * 16)
    judged.judged("one", answers("wrong", [0] * 20) + right)
    row = rows(judged)["one"]
    assert row.means["rating"].mean == pytest.approx(2.0)
    assert row.means["rating"].low < 2.0 < row.means["rating"].high
    assert row.means["rating"].n == 84
    assert row.mean_if_correct.mean == pytest.approx(2.5)
    assert row.warnings == ("only 64 of 80 judged answers have a grade",)


def test_with_every_grade_mean_and_interval_are_those_of_the_cases(judged):
    grades = [0, 3, 2, 3, 1, 3, 2]
    judged.judged("one", answers("wrong", [0] * 5) + answers("judged", grades))
    cell = rows(judged)["one"].means["rating"]
    values = [0.0] * 5 + grades
    assert cell.mean == np.mean(values)
    assert (cell.low, cell.high) == mean_interval(values)


def test_seeds_of_a_case_share_its_weight(judged):
    judged.judged("one", answers("wrong", [0]) + answers("judged", [3, 2]), seed=0)
    judged.judged("one", answers("judged", [2, None]) + answers("wrong", [0]), seed=1)
    # Half of three cases each: wrong 2 * 0.5; judged 4 * 0.5, of which 3 have a grade, 7/3.
    assert rows(judged)["one"].means["rating"].mean == pytest.approx(4 / 6 * 7 / 3)


def test_a_stage_without_any_grade_leaves_the_mean_out(judged):
    judged.judged("one", answers("wrong", [0] * 3) + answers("judged", [None] * 3))
    judged.judged("two", answers("judged", [2] * 6))
    (table,) = tables(judged)
    row = table.rows[0]
    assert row.means == {}
    assert not table.comparisons
    notes = printed(table)["Scored"].notes
    assert "one: none of the judged answers has a grade, so the mean of all is left out." in notes


def test_what_nobody_graded_and_the_rubric_does_not_either_is_in_no_mean(judged):
    collected = answers("unanswered", [None] * 5) + answers("judged", [2, 3])
    judged.judged("one", collected)
    (table,) = tables(judged)
    (row,) = table.rows
    assert row.means["rating"].mean == 2.5
    assert not row.warnings
    assert any("no grade for them: unanswered" in note for note in printed(table)["Scored"].notes)


@pytest.mark.parametrize("older", [False, True])
def test_hallucinations_are_those_of_the_judged_rationales(judged, older):
    def naming(count):
        if older:
            return {"outside": None, "evidence": {"named_outside": count}}
        return {"outside": count}

    collected = answers("judged", [3, 3, None], **naming(0)) + answers("judged", [1], **naming(2))
    judged.judged("one", collected + answers("wrong", [0], **naming(2)))
    (table,) = tables(judged)
    assert table.rows[0].hallucinating.mean == 0.25
    assert "Hallucinating" in printed(table)["Valid"].header


def test_nobody_looked_for_hallucinations(judged):
    judged.judged("one", answers("judged", [3], outside=None), kind="llm")
    (table,) = tables(judged)
    assert table.rows[0].hallucinating is None
    assert "Hallucinating" not in printed(table)["Valid"].header


def test_every_method_of_the_plan_has_a_row(judged):
    judged.judged("judged", answers("judged", [3, 2]))
    judged.run("silent", rationale=" ")
    judged.run("later")
    judged.run("half", complete=False)
    judged.run("unable", left_out="not applicable: needs cold_items")
    judged.judged("some seeds", answers("judged", [3]))
    judged.run("some seeds", seed=1)
    judged.judged(
        "failed", answers("judged", [3]), status="failed", error="the server is gone\nmore"
    )
    (table,) = tables(judged)
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


def test_histories_are_grouped_as_the_suite_says(judged):
    judged.judged("one", answers("judged", [1], history=0) + answers("judged", [3, 2], history=4))
    (table,) = tables(judged, buckets=[(4, 4)])
    assert [line[1:4] for line in printed(table)["History"].rows] == [
        ("0-3", "1", "1.00"), ("4", "2", "2.50"),
    ]  # fmt: skip
    (table,) = tables(judged)
    statistics = {line["statistic"] for line in lines(table)}
    assert {"mean with a history of 0", "mean with a history of 3 to 7"} <= statistics


def test_the_best_method_is_that_of_the_highest_mean_and_the_choice_is_owned(judged):
    wrong = answers("wrong", [0] * 20)
    judged.judged("lossy", wrong + answers("judged", [2, 3] * 32 + [None] * 16))  # 2.00, not 1.90
    judged.judged("whole", wrong + answers("judged", [2, 2, 3, 3, 2] * 16))  # 1.92
    (table,) = tables(judged)
    (collected,) = table.comparisons
    assert collected.best == "lossy"
    notes = printed(table)["Higher"].notes
    assert any("no p allows for the choice" in note for note in notes)


def test_the_csv_has_a_value_in_every_column(judged):
    judged.judged("one", answers("judged", [3, 2]))
    judged.run("later")
    (table,) = tables(judged)
    assert tuple(lines(table)[0]) == GRADE_CSV_COLUMNS
    assert all(None not in line and None not in line.values() for line in lines(table))


def test_a_criterion_may_have_any_name(judged):
    criteria = [{"name": name, "low": 0, "high": 3} for name in ("correct", "rating")]
    collected = answers("judged", [1, 2])
    for row in collected:
        row["grades"].append({"criterion": "correct", "grade": 3.0})
    judged.judged("one", collected, rubric={**RUBRIC, "criteria": criteria})
    row = rows(judged)["one"]
    assert {name: cell.mean for name, cell in row.means.items()} == {"correct": 3.0, "rating": 1.5}
    assert row.correct.mean == 1.0


def test_the_page_shows_the_judges_of_the_plan_alone_as_the_tables_do(judged):
    run = judged.judged("one", answers("judged", [3, 3]), by=judge("quality", 1))
    graded = answers("wrong", [0]) + answers("judged", [2, None])
    judged.verdicts(run, graded, judge("quality", 2), caveats=("rules",), warnings=("same model",))
    judged.plan(judge("quality", 1))
    plan = judged.plan(judge("quality", 2))
    (collected,) = judge_verdicts.read_verdicts([run], plan.judges)
    assert collected.summary == {
        "judge": "quality", "kind": "heuristic", "cases": 3, "scored": 2,
        "means": {"rating": "1.333"}, "remarks": ["rules"], "warnings": ["same model"],
    }  # fmt: skip
    (table,) = collect_grades(judged.store, plan)
    assert f"{table.rows[0].means['rating'].mean:.3f}" == collected.summary["means"]["rating"]
    assert collected.verdict_rows["c1"]["grades"] == {"rating": 2.0}
    assert judge_verdicts.case_ids_with_verdicts(run, plan.judges) == ["c0", "c1", "c2"]
    assert judge_verdicts.read_verdicts([run], [judge("another", 3)]) == []


def test_the_page_has_the_means_of_all_seeds_and_the_examples_of_the_first(judged):
    first = judged.judged("one", answers("judged", [3, 3]), seed=0)
    second = judged.judged("one", answers("judged", [1, 1]), seed=1)
    third = judged.run("one", seed=2)
    (collected,) = judge_verdicts.read_verdicts([first, second, third], [judge()])
    assert collected.summary["means"] == {"rating": "2.000"}
    assert collected.summary["remarks"] == ["over 2 of 3 seeds; examples are of the first"]
    assert collected.verdict_rows["c0"]["grades"] == {"rating": 3.0}
    (collected,) = judge_verdicts.read_verdicts([third, second], [judge()])
    assert collected.verdict_rows == {}


def test_a_plan_says_which_judges_it_replaces(judged):
    old = [judge("llm", 1, "a"), judge("heuristic", 2)]
    assert find_replaced_judges([judge("llm", 1, "a")], old) == []
    assert find_replaced_judges([judge("llm", 3, "b")], old) == [old[0]]
    assert find_replaced_judges([judge("llm, b", 3, "b")], old) == []
    judged.run("one")
    judged.plan(*old)
    assert judged.plan(judge("llm", 3, "b")).judges == [judge("llm", 3, "b"), old[1]]


def test_a_judge_with_nothing_at_all_to_say_is_no_table(tmp_path):
    judged = Judged(tmp_path)
    judged.run("one")
    assert tables(judged) == ()
    assert Store(tmp_path).plan("made").judges == [judge()]


def test_the_answers_that_equal_length_is_read_from_are_those_judged(judged):
    words = ["tea " * (5 + place) for place in range(30)]
    collected = [answers("judged", [3], rationale=text)[0] for text in words]
    run = judged.judged("one", collected + answers("wrong", [0] * 10))
    graded = answer_grades([run], [run.judgements()[0]])
    assert length_adjusted_means({"one": graded})["one"].n == 30
