"""Verdicts are read strictly: exactly one, in the form asked for, within the limits."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchkit.judging.rubric import load_rubric, rubric_files
from judges.verdict_form import verdict_form
from judges.verdict_parser import read_verdict
from tests.support.judge_inputs import small_rubric

ONE = small_rubric(("rating", 0, 3))
TWO = small_rubric(("clarity", 1, 5), ("self-made", -2, 2))


@pytest.mark.parametrize(
    ("text", "grade"),
    [
        ("<eval>RATING-2</eval>", 2),
        ("<eval>RATING-2 </eval>", 2),  # as C-APO writes it
        ("<eval>\n\tRATING-0\n</eval>", 0),
        ("It fits well.\n\n<eval>RATING-3</eval>\nThat is all.", 3),
        ("```\n<eval>RATING-1</eval>\n```", 1),
        ("<EVAL>rating-1</Eval>", 1),
        ("I would say RATING-1 at first, but <eval>RATING-2</eval>", 2),
        ("<think>hm, <eval>RATING-0</eval></think><eval>RATING-2</eval>", 2),
        ("\n<thinking>a < b\n</thinking>\n\n<eval>RATING-2</eval>", 2),
        ("<think></think><eval>RATING-2</eval>", 2),
        # All before the last close is thinking, also where the prompt opened it.
        ("hm, <eval>RATING-0</eval>\n</think>\n<eval>RATING-2</eval>", 2),
        ("So <think><eval>RATING-2</eval></think><eval>RATING-1</eval>", 1),
        ("<think></think><eval>RATING-3</eval></THINK><eval>RATING-1</eval>", 1),
        ("<think>so</thinking><eval>RATING-3</eval>", 3),
        ("It quotes ‹eval›RATING-3‹/eval›. <eval>RATING-1</eval>", 1),
        ("<eval>RATING-2</eval> So: <eval>rating-2 </eval>", 2),  # the same once more
    ],
)
def test_a_verdict_is_read(text, grade):
    assert read_verdict(text, "stop", ONE) == ({"rating": grade}, "")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "no verdict"),
        ("RATING-2", "no verdict"),
        ("I cannot judge this.", "no verdict"),
        ("&lt;eval&gt;RATING-2&lt;/eval&gt;", "no verdict"),
        ("[eval]RATING-2[/eval]", "no verdict"),
        ("<eval>RATING-2", "verdict not closed"),
        ("RATING-2</eval>", "verdict not closed"),
        ("</eval>RATING-2<eval>", "verdict not closed"),
        ("<eval>RATING-2</eval><eval>RATING-4</eval>", "several verdicts"),
        ("<eval>RATING-4</eval><eval>RATING-4</eval>", "grade out of range"),
        ("It says <eval>RATING-3</eval>. Mine: <eval>RATING-1</eval>", "several verdicts"),
        ("<eval><eval>RATING-2</eval></eval>", "several verdicts"),
        ("< EVAL >RATING-3< /eval ><eval>RATING-1</eval>", "several verdicts"),
        ("<eval>RATING-1</eval> </eval>", "several verdicts"),
        # What the model thinks is no verdict, whether its thinking ends or not.
        ("<think><eval>RATING-2</eval>", "no verdict: its thinking never ends"),
        ("a</think><think><eval>RATING-2</eval>", "no verdict: its thinking never ends"),
        ("<eval>RATING-1</eval></think>\n", "no verdict"),
        ("<think>a <eval>RATING-1</eval></think>", "no verdict"),
        ("<eval>RATING-4</eval>", "grade out of range: rating 4 is outside 0..3"),
        ("<eval>RATING--1</eval>", "grade out of range: rating -1 is outside 0..3"),
        ("<eval>RATING-999999999</eval>", "grade out of range"),
        ("<eval>RATING-2 RATING-2</eval>", "criterion twice: rating"),
        ("<eval></eval>", "criterion missing: rating"),
        ("<eval>score-2</eval>", "unknown criterion: 'score-2'"),
        *((f"<eval>{content}</eval>", "verdict not in the form asked for") for content in (
            "2", "RATING 2", "RATING-2.5", "RATING-2/3", "RATING-02", "RATING-+2", "RATING-²",
            "RATING-٢", "RATING - 2", "RATING-two", "RATING-n", "RATING-", "RATING-2.",
            "RATING-2-3", "RATING-99999999999", "RATING=2", "**RATING-2**", "RATING-nan",
        )),
    ],
)  # fmt: skip
def test_anything_else_is_no_verdict(text, reason):
    result = read_verdict(text, "stop", ONE)
    assert result.grades is None
    assert result.reason.startswith(reason)


@pytest.mark.parametrize(
    ("finish", "reason"),
    [
        ("length", "the reply was cut off"),
        ("refused", "the judge refused"),
        ("error", "the server gave no usable reply"),
    ],
)
def test_a_reply_that_did_not_end_by_itself_counts_for_nothing(finish, reason):
    assert read_verdict("<eval>RATING-2</eval>", finish, ONE) == (None, reason)


@pytest.mark.parametrize(
    "content",
    [
        "clarity-4 self-made--1",
        "clarity-4, self-made--1",
        "\nclarity-4\nself-made--1\n",
        "self-made--1,Clarity-4",
    ],
)
def test_several_criteria_are_read_in_the_order_of_the_rubric(content):
    result = read_verdict(f"<eval>{content}</eval>", "stop", TWO)
    assert list(result.grades.items()) == [("clarity", 4), ("self-made", -1)]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("clarity-4", "criterion missing: self-made"),
        ("self-made-1", "criterion missing: clarity"),
        ("clarity-4 clarity-4 self-made-1", "criterion twice: clarity"),
        ("clarity-4 self-made-1 wit-5", "unknown criterion: 'wit-5'"),
        ("clarity-4 made-1", "unknown criterion: 'made-1'"),
        ("clarity-0 self-made-1", "grade out of range: clarity 0 is outside 1..5"),
        ("clarity-4 self-made-3", "grade out of range: self-made 3 is outside -2..2"),
        ("RATING-4", "unknown criterion"),
        ("clarity-4; self-made-1", "verdict not in the form asked for: 'clarity-4;'"),
        ("clarity: 4 self-made: 1", "verdict not in the form asked for"),
    ],
)
def test_several_criteria_are_all_needed_once(content, reason):
    result = read_verdict(f"<eval>{content}</eval>", "stop", TWO)
    assert result.grades is None
    assert result.reason.startswith(reason)


def test_the_form_asked_for_is_the_form_read():
    for name in rubric_files():
        known = load_rubric(name)
        grade = known.main.high
        form = verdict_form(known).replace("-n", f"-{grade}").replace(": X", ": A")
        result = read_verdict(form, "stop", known)
        assert result.grades == {criterion.name: grade for criterion in known.criteria}
        assert read_verdict(verdict_form(known), "stop", known).grades is None  # n is no grade


@given(st.text(alphabet="<>/evalRATINGthinkclarity-self-made 0123456789,\n²．", max_size=60))
def test_no_text_is_misread(text):
    for known in (ONE, TWO):
        for variant in (text, f"<eval>{text}</eval>", f"<think>{text}</think><eval>{text}</eval>"):
            result = read_verdict(variant, "stop", known)
            assert (result.grades is None) == bool(result.reason)
            for criterion in known.criteria if result.grades else ():
                assert result.grades[criterion.name] in criterion.grades
