"""Labels from judgements and from tables of people's grades."""

import math

import polars as pl
import pytest

from benchkit import io
from benchkit.errors import DataError
from benchkit.judging import verdict_table
from benchkit.judging.inputs import MethodAnswer
from benchkit.judging.rubric import load_rubric
from benchkit.judging.verdicts import Verdict
from benchkit.types import Catalog, Event, Request
from judges.training_labels import read_training_labels

RUBRIC = load_rubric("rationale-0-3")
QUALITY = load_rubric("rationale-quality")
CATALOG = Catalog(
    ("tea", "pastry", "pastry2", "ale", "nameless"),
    {"title": ["Green  Tea", "Pastry | low carb", "Pastry", "Ale, 12 oz", None]},
)
HISTORY = (
    Event("pastry", 5.0, None, "Lovely | and new"),
    Event("pastry2", None, None, "Dry"),
    Event("tea", 3.0),
    Event("ale", 8.0),
    Event("nameless", 1.0, None, "Bad"),
)


def answer(case, rationale="It is tea.", item="tea"):
    return MethodAnswer(
        Request(case, f"user of {case}", HISTORY, ("tea", "ale")), "tea", item, rationale
    )


def cases(result):
    return [judge_input.request.case_id for judge_input in result.judge_inputs]


def judgements(path, grades, rubric=RUBRIC):
    """case -> grade, or None where it was not scored."""
    result = [answer(case) for case in grades]
    verdicts = {
        case: Verdict(case, {}, "unscored", "it failed")
        if grade is None
        else Verdict(case, {c.name: grade for c in rubric.criteria})
        for case, grade in grades.items()
    }
    io.write_parquet(path, verdict_table.build_verdict_table(result, verdicts, rubric, CATALOG))
    return path


def test_judgements_give_back_what_was_shown(tmp_path):
    path = judgements(tmp_path / "a.parquet", {"c1": 2.0, "c2": None, "c3": 1.0})
    result = read_training_labels([path], [], RUBRIC, CATALOG)
    assert result.grades == {"rating": [2.0, 1.0]}
    assert cases(result) == ["c1", "c3"]
    assert (result.users, result.n_guessed_users) == (["user of c1", "user of c3"], 0)
    judge_input = result.judge_inputs[0]
    assert (judge_input.item, judge_input.rationale, judge_input.target) == (
        "tea",
        "It is tea.",
        None,
    )
    assert judge_input.request.history == HISTORY


def test_only_what_a_judge_decided_is_a_label(tmp_path):
    result = [answer("c1"), answer("c2", item="ale"), answer("c3", rationale=None)]
    verdicts = {"c1": Verdict("c1", {"rating": 3.0})}
    path = tmp_path / "a.parquet"
    io.write_parquet(path, verdict_table.build_verdict_table(result, verdicts, RUBRIC, CATALOG))
    assert cases(read_training_labels([path], [], RUBRIC, CATALOG)) == ["c1"]


def write(path, text):
    path.write_text(text)
    return path


def test_grades_of_people_are_joined_with_the_records(tmp_path):
    records = judgements(tmp_path / "a.parquet", {"c1": 0.0, "c2": None})
    table = write(
        tmp_path / "people.csv",
        "item,rater,grade\nc1,ann,2\nc1,bo,3\nc2,ann,1\nc2,bo,\nc2,cy,1\n",
    )
    result = read_training_labels([table], [records], RUBRIC, CATALOG)
    assert dict(zip(cases(result), result.grades["rating"], strict=True)) == {"c1": 2.5, "c2": 1.0}
    assert result.judge_inputs[0].request.history == HISTORY
    assert result.users == ["user of c1", "user of c2"]


def test_records_that_do_not_say_whose_they_are(tmp_path):
    names = {"test:ann": 2.0, "test:ann#2": 1.0, "test:ann#12": 1.0, "valid:b#c#2": 0.0, "d": 3.0}
    path = judgements(tmp_path / "a.parquet", names)
    io.write_parquet(path, pl.read_parquet(path).drop("user", "named_outside"))
    result = read_training_labels([path], [], RUBRIC, CATALOG)
    assert result.users == ["ann", "ann", "ann", "b#c", "d"]
    assert result.n_guessed_users == 5


def test_runs_are_told_apart(tmp_path):
    paths = [
        judgements(tmp_path / "s" / "task" / name / run / "judgements" / "a.parquet", {"c1": 0.0})
        for name, run in (("rec-A", "r1"), ("rec-A", "r2"), ("B", "r3"))
    ]

    def read(text):
        return read_training_labels([write(tmp_path / "people.csv", text)], paths, RUBRIC, CATALOG)

    assert read("run_id,case_id,rating\nr1,c1,2\nr2,c1,3\n").grades["rating"] == [2.0, 3.0]
    result = read("item,case_id,task,system,grade\n7,c1,task,B,2\n")
    assert (cases(result), result.grades["rating"]) == (["c1"], [2.0])
    with pytest.raises(DataError, match="case 'c1' is in 3 records") as caught:
        read("case_id,rating\nc1,2\n")
    assert "run_id" in caught.value.hint
    with pytest.raises(DataError, match="case 'c1', system 'rec/A', is in 2 records"):
        read("case_id,system,rating\nc1,rec/A,2\n")
    with pytest.raises(DataError, match="is in no record"):
        read("case_id,task,rating\nc1,other,2\n")


def test_judges_among_the_raters_do_not_count_unless_they_are_named(tmp_path):
    records = judgements(tmp_path / "a.parquet", {"c1": 0.0})
    table = write(tmp_path / "a.csv", "case_id,rater,grade\nc1,ann,3\nc1,bo,1\nc1,judge:x,0\n")
    for raters, grade in ((), 2.0), (("ann",), 3.0), (("judge:x",), 0.0):
        result = read_training_labels([table], [records], RUBRIC, CATALOG, raters)
        assert result.grades["rating"] == [grade]


def test_several_criteria_in_long_and_wide_form(tmp_path):
    records = judgements(tmp_path / "a.parquet", {"c1": 3.0, "c2": 3.0}, QUALITY)
    long = write(
        tmp_path / "long.csv",
        "case_id,criterion,grade\nc1,grounding,2\nc1,specificity,3\nc2,grounding,5\n",
    )
    wide = write(tmp_path / "wide.csv", "case_id,grounding,specificity\nc1,2,3\nc2,5,\n")
    for path in (long, wide):
        result = read_training_labels([path], [records], QUALITY, CATALOG)
        assert result.grades["grounding"] == [2.0, 5.0]
        assert result.grades["specificity"][0] == 3.0
        assert math.isnan(result.grades["specificity"][1])
        assert all(map(math.isnan, result.grades["faithfulness"]))


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("case_id,grade\nc9,1\n", "case 'c9' is in no record"),
        ("case_id,grade\nc1,good\n", "the grade 'good' is not a number"),
        ("who,grade\nc1,1\n", "has the columns who, grade"),
        ("case_id,points\nc1,1\n", "has the columns case_id, points"),
        ("case_id,grade\nc1,\n", "no label by the rubric"),
    ],
)
def test_tables_that_cannot_be_read(tmp_path, text, cause):
    records = judgements(tmp_path / "a.parquet", {"c1": 0.0})
    with pytest.raises(DataError, match=cause) as caught:
        read_training_labels([write(tmp_path / "people.csv", text)], [records], RUBRIC, CATALOG)
    assert caught.value.hint


def test_files_that_are_no_judgements(tmp_path):
    pl.DataFrame({"case_id": ["a"]}).write_parquet(tmp_path / "other.parquet")
    with pytest.raises(DataError, match="has no column 'item'"):
        read_training_labels([tmp_path / "other.parquet"], [], RUBRIC, CATALOG)
    write(tmp_path / "broken.parquet", "nothing")
    with pytest.raises(DataError, match="broken"):
        read_training_labels([tmp_path / "broken.parquet"], [], RUBRIC, CATALOG)


def test_labels_of_another_dataset_are_refused(tmp_path):
    path = judgements(tmp_path / "a.parquet", {"c1": 2.0})
    other = Catalog(("x",), {"title": ["X"]})
    with pytest.raises(DataError, match="6 of 6 items in the labels are not in this catalogue"):
        read_training_labels([path], [], RUBRIC, other)
