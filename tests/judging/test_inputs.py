"""Which answer of a run's records is judged, and what is decided without a judge."""

import polars as pl
import pytest

from benchkit.judging import verdict_table
from benchkit.judging.inputs import MethodAnswer, grade_by_rubric_alone, read_answers
from benchkit.judging.rubric import load_rubric
from benchkit.judging.verdicts import Verdict
from benchkit.runs.records import PREDICTIONS_SCHEMA
from benchkit.testing.fixtures import toy_dataset
from benchkit.types import Catalog, Event, Request

RATED = load_rubric("rationale-0-3")
QUALITY = load_rubric("rationale-quality")
DATA = toy_dataset(users=60, items=60, length=8)
NO_CANDIDATE = "the answer names no candidate"
FAILED = "the method's engine failed, and nothing was answered"


def read(source, **columns):
    """The answer to the first case of a run whose record has these columns."""
    cases = DATA.test.sample(1)
    row = dict.fromkeys(PREDICTIONS_SCHEMA) | {"case_id": cases.ids[0]} | columns
    predictions = pl.DataFrame([row], schema=PREDICTIONS_SCHEMA)
    (result,) = read_answers(predictions, DATA, cases, source)
    return result


def sample(status, item=None, rationale=None):
    return {"text": "", "item": item, "rationale": rationale, "status": status}


@pytest.mark.parametrize(
    ("status", "stage", "reason"),
    [
        ("error", "unanswered", FAILED),
        ("refused", "invalid", f"{NO_CANDIDATE} (refused)"),
        ("truncated", "invalid", f"{NO_CANDIDATE} (truncated)"),
        ("unparsed", "invalid", f"{NO_CANDIDATE} (unparsed)"),
    ],
)
def test_a_failing_of_the_method_is_graded_and_one_of_its_engine_is_not(status, stage, reason):
    first = [sample(status), sample("ok", "i1", "Good.")]
    for result in (
        read("sampled", samples=first, sampled_status="ok"),
        read("sampled", samples=[], sampled_status=status),
        read("scored", status=status),
    ):
        assert result.stage(RATED) == result.stage(QUALITY) == stage
        assert grade_by_rubric_alone(result, RATED) == (None if status == "error" else 0, reason)
        assert grade_by_rubric_alone(result, QUALITY) == (None, reason)


@pytest.mark.parametrize(
    ("item", "rationale", "by_prompt", "by_text"),
    [
        ("taken", "Why.", "judged", "judged"),
        ("other", "Why.", "wrong", "judged"),  # a candidate that the customer did not take
        ("other", None, "wrong", "missing"),
        ("taken", None, "missing", "missing"),
        (None, "Why.", "invalid", "invalid"),
    ],
)
def test_the_papers_two_readings_of_a_correct_item(item, rationale, by_prompt, by_text):
    answer = MethodAnswer(Request("c", "u", (), ("taken", "other")), "taken", item, rationale)
    vocabulary = load_rubric("rationale-0-3-vocabulary")
    assert (answer.stage(RATED), answer.stage(vocabulary)) == (by_prompt, by_text)
    grades = {"wrong": 0, "invalid": 0, "missing": 1}
    for rubric, stage in ((RATED, by_prompt), (vocabulary, by_text)):
        if stage != "judged":
            assert grade_by_rubric_alone(answer, rubric)[0] == grades[stage]
    if by_text == "judged":
        assert answer.judge_input(vocabulary).target is None  # so no judge can grade by it


def test_the_first_sample_and_the_item_ranked_first_are_judged():
    request = next(iter(DATA.requests(DATA.test.sample(1))))
    item = request.candidates[2]
    scores = [0.0, 1.0, 2.0, *[0.5] * (len(request.candidates) - 3)]
    result = read("scored", scores=scores, status="ok", rationale=" Why. ")
    assert (result.item, result.rationale) == (item, "Why.")
    result = read("sampled", samples=[sample("ok", item, "So."), sample("error")])
    assert (result.item, result.rationale, result.status) == (item, "So.", "ok")


@pytest.mark.parametrize("status", ["error", "refused", "truncated", "unparsed"])
def test_an_item_of_a_sample_that_is_not_ok_does_not_count(status):
    request = next(iter(DATA.requests(DATA.test.sample(1))))
    answer = read("sampled", samples=[sample(status, request.candidates[0], "Good.")])
    assert (answer.item, answer.rationale, answer.status) == (None, "Good.", status)
    assert answer.stage(QUALITY) == ("unanswered" if status == "error" else "invalid")


TITLES = ["Green Tea Leaves", "Old Pale Ale", "Dry Black Cider", "Red Table Wine"]
CATALOG = Catalog(("tea", "ale", "cider", "wine"), {"title": TITLES})


def told(case, item, rationale, status="ok"):
    history = (Event("ale", 4.0, None, "Better than Dry Black Cider"),)
    return MethodAnswer(
        Request(case, "ann", history, ("tea", "wine")), "tea", item, rationale, status
    )


def test_the_record_counts_names_of_what_the_method_was_not_shown():
    result = [
        told("made-up", "tea", "Like Old Pale Ale and Dry Black Cider, Green Tea Leaves are dry."),
        told("candidate", "tea", "Better than Red Table Wine."),
        told("none", "tea", None),
        told("invalid", None, "Like Dry Black Cider, or Green Tea Leaves.", "unparsed"),
        told("failed", None, None, "error"),
    ]
    bare = [
        MethodAnswer(
            Request(case, "bo", (), ("tea", "wine")), "tea", item, "As Dry Black Cider is."
        )
        for case, item in (("bare", "tea"), ("neither", None))
    ]
    judged = {one.request.case_id for one in (*result, *bare) if one.stage(QUALITY) == "judged"}
    verdicts = {case: Verdict(case, {}, "unscored", "no verdict") for case in judged}
    table = verdict_table.build_verdict_table([*result, *bare], verdicts, QUALITY, CATALOG)
    assert table["named_outside"].to_list() == [0, 0, None, 0, None, 1, 1]
    assert table["user"].to_list() == ["ann"] * 5 + ["bo"] * 2
    assert table["stage"].to_list()[2:5] == ["missing", "invalid", "unanswered"]
    assert table["reason"].to_list()[3:5] == [f"{NO_CANDIDATE} (unparsed)", FAILED]


def test_a_graded_record_says_what_the_answer_was():
    table = verdict_table.build_verdict_table(
        [told("c", None, None, "refused")], {}, RATED, CATALOG
    )
    assert table.select("status", "reason").rows() == [("scored", f"{NO_CANDIDATE} (refused)")]
    assert table["grades"].to_list() == [[{"criterion": "rating", "grade": 0.0}]]
