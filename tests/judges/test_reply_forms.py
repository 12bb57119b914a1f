"""Verdicts in all the forms that a rubric can name: read right or not at all."""

import itertools
import re
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from benchkit.judging.rubric import Rubric, load_rubric
from judges.verdict_form import describe_values, verdict_form
from judges.verdict_parser import read_verdict
from tests.support.judge_inputs import small_rubric
from tests.support.verdict_replies import (
    REMARKS,
    REVISIONS,
    contradicting,
    followed,
    replies,
    several_criteria,
    shapes,
    with_reply,
)


@pytest.mark.parametrize("half_grades", [False, True])
def test_verdicts_in_all_shapes_are_read_right(half_grades):
    outcomes, failures = Counter(), []
    for shape, grade, text in replies(60, seed=3, half_grades=half_grades):
        reading = read_verdict(text, "stop", shape.rubric)
        outcome = "unscored"
        if reading.grades is not None:
            outcome = "right" if reading.grades == {"rating": grade} else "wrong"
        outcomes[outcome] += 1
        if outcome != "right":
            failures.append((shape.name, outcome, grade, reading, text))
    assert len(shapes(1, 5)) >= 12
    assert not outcomes["wrong"], failures
    assert outcomes["right"] >= 0.999 * outcomes.total(), (outcomes, failures[:5])


def test_differing_verdicts_are_unscored():
    count = 0
    for shape, text in contradicting(seed=4):
        reading = read_verdict(text, "stop", shape.rubric)
        assert reading == (None, "several verdicts"), (shape.name, text)
        count += 1
    assert count > 200


def test_a_verdict_that_the_reply_takes_back_is_unscored():
    readings = [
        (ending, text, read_verdict(text, "stop", rubric))
        for ending, rubric, _, text in followed(REVISIONS, seed=5)
    ]
    assert len(readings) > 200
    assert not [reading for reading in readings if reading[-1].grades is not None]
    for text in ("Rating: 4\nFinal: 3", "Rating: 4; final: 3", "Score: 4\nFinal decision: 3"):
        reading = read_verdict(text, "stop", with_reply("rating"))
        assert reading == (None, "several verdicts"), text


def test_a_verdict_that_the_reply_repeats_or_explains_is_read():
    for _, rubric, grade, text in followed(REMARKS, seed=6):
        assert read_verdict(text, "stop", rubric) == ({"rating": grade}, ""), text


@pytest.mark.parametrize(
    "text",
    ["Rating:\n1 - names an item\n2 - fits", "Score:\n2 - it is vague", "Rating:\n1: no\n2: yes",
     "Rating\n\n1 – poor", "Rating\n1 (poor)\n2 (fair)", "Grade:\nA - good\nB - poor"],
)  # fmt: skip
def test_a_list_below_a_label_is_no_verdict(text):
    for reply in ("rating", "letter"):
        assert read_verdict(text, "stop", with_reply(reply)) == (None, "no verdict")
    later = read_verdict(f"Rating: 5\n\n{text}", "stop", with_reply("rating"))
    assert later.grades == ({"rating": 5} if text.startswith("Grade") else None)


@pytest.mark.parametrize(
    "ending", ["\nFinal: {}", ". No, {}.", ", no wait, {}", ", downgraded to {}", " -> {}",
               "\nOverall: {}.", ". Actually, make it a {}."]
)  # fmt: skip
def test_letters_and_fractions_are_taken_back_alike(ending):
    for reply, first, other in (("letter", "Grade: B", "C"), ("fraction", "4/5", "3/5")):
        text = first + ending.format(other)
        assert read_verdict(text, "stop", with_reply(reply)).grades is None, text


@pytest.mark.parametrize(
    ("reply", "text"),
    [
        ("rating", text) for text in (
            "Rating: 4 or 5", "Rating: 4-5", "Rating: 4 to 5", "Rating: 4, maybe 5", "Rating: 4?",
            "Rating: about 4", "Rating: 4.5", "Rating: 4,5", "Rating: 45", "Rating: 6",
            "Rating: 4/10", "Rating: 4 of 5 items fit", "Rating: 3 reasons speak for it",
            "Rating: four", "Rating: -4", "Rating: 4%", "Rating: 4/5/3", "Rating: 4*5",
            "Rating: 1-5", "Rating 4", "rating of 4", "The customer's rating: 4.",
            "The rationale says \"Rating: 4\".", "> Rating: 4", "Rating: 4 (or 3)",
            "Rating: 4\n\nRating: 3", "Rating: 4\nOn second thoughts the rating: 3.",
            "Rating: 4. But my last word in this, after all: rating: 3", "4", "4/5", "Rating: n",
            "Rating: 4. Actually, make it a 3.", "Rating: 4\nCorrection: 3/5",
            "", "Rating: 04", "Rating: 4²", "Rating: ٤",
        )
    ] + [
        ("fraction", text) for text in (
            "4/10", "It names 4/5 items.", "4/5 or 3/5", "4/5\n3/5", "4", "24/5", "4/5/2020",
            "The customer rated it 4/5.",
            "4/50", "4/5.5", "6/5", "2 3/5", "4.5/5", "4/5 and later 3/5",
        )
    ] + [
        ("letter", text) for text in (
            "A good explanation.", "Grade: A or B", "Grade: B+", "Grade: F", "A\nB", "A/B",
            "Grade: A-E", "Grade: A good one", "Option A: poor", "Grade: B/C", "Grade: A (or B)",
        )
    ] + [
        ("json", text) for text in (
            '{"rating": 4.5}', '{"rating": "four"}', '{"rating": true}', '{"rating": null}',
            '{"rating": [4]}', '{"rating": 4, "rating": 3}', '{"rating": 4,}', "{'rating': 4}",
            '{"rating": 4', '{"score": 4}', '{"rating": 3,} {"rating": 4}', '{"rating": "4/10"}',
            '{"rating": {"value": 4}}', '{"rating": 4} {"rating": 3}', '[4]', '"rating": 4',
        )
    ] + [
        ({"tag": "score"}, text) for text in (
            "<score>4</score><score>3</score>", "<score>4", "<score>4-5</score>", "<eval>4</eval>",
            "<score>4 or 5</score>", "<score></score>", "<score>4/10</score>",
        )
    ] + [
        (["rating", "json"], 'Rating: 4 {"rating": 3}'),
        (["tag", "fraction"], "<eval>RATING-4</eval>\n3/5"),
        (["tag", "rating"], "<eval>RATING-4\nRating: 4"),
    ],
)  # fmt: skip
def test_what_is_ambiguous_is_unscored(reply, text):
    reading = read_verdict(text, "stop", with_reply(reply))
    assert reading.grades is None
    assert reading.reason


@pytest.mark.parametrize(
    ("reply", "text"),
    [
        ("rating", "Rating: 4.0"),
        ("rating", "Rating： 4"),
        ("rating", "__Rating:__ _4_/5"),
        ("rating", "- Rating = 4;"),
        ("rating", "2) Rating: 4, instead of the lowest grade; 7 words."),
        ("rating", "A rating of 5 would be too high. Rating: 4 (poor in style)"),
        ("rating", "Rating: 4 (1-5)"),
        ("json", '{"rating": 4.0, "notes": {"rating": 1}}'),
        (["tag", "rating"], "<eval>RATING-4</eval>"),
        (["tag", "rating"], "Rating: 4/5"),
        (["rating", "fraction"], "Rating: 4/5"),
        ({"letter": "edcba"}, "Grade: b"),
        ({"letter": "ABCDE"}, "D"),
    ],
)  # fmt: skip
def test_these_are_read_as_4(reply, text):
    assert read_verdict(text, "stop", with_reply(reply)) == ({"rating": 4}, "")


def test_half_grades_are_read_where_the_rubric_has_them():
    for reply, text in {"rating": "Rating: 3½/5", "json": '{"rating": 3.5}', "tag":
                        "<eval>RATING-3.5</eval>"}.items():  # fmt: skip
        assert read_verdict(text, "stop", with_reply(reply, half_grades=True)).grades == {
            "rating": 3.5
        }
        assert read_verdict(text, "stop", with_reply(reply)).grades is None
    quarter = read_verdict("Rating: 3.25", "stop", with_reply("rating", half_grades=True))
    assert quarter.grades is None
    half = with_reply("rating", low=0, high=2, half_grades=True)
    assert read_verdict("Rating: 1/2", "stop", half).grades is None  # 1 of 2, or a half?


def test_several_criteria_are_read_in_one_reply():
    grades = {"grounding": 4, "self-made": 2, "wit": 5}
    values = small_rubric(*((name, 1, 5) for name in grades)).model_dump()
    for name, (reply, text) in several_criteria(grades).items():
        rubric = Rubric.model_validate(values | {"reply": reply})
        for variant in (text, f"<think>wit: 1</think>It has 3 parts.\n\n{text}\n\nDone."):
            assert read_verdict(variant, "stop", rubric) == (grades, ""), name
        total = f"{text}\nOverall: 3"  # of all criteria, so no revision of one
        assert read_verdict(total, "stop", rubric) == (grades, ""), name
        lacking = re.sub("wit", "width", text, flags=re.IGNORECASE)
        assert read_verdict(lacking, "stop", rubric).grades is None, name
        if name in ("lines", "table", "letters"):
            twice = f"{text}\n{'wit: 1' if name != 'letters' else 'wit: E'}"
            assert read_verdict(twice, "stop", rubric).reason == "several verdicts", name


@pytest.mark.parametrize(
    "names",
    [("quality", "overall-quality"), ("depth", "story-depth", "overall-story-depth"),
     ("wit", "wit-style"), ("final-wit", "wit")],
)  # fmt: skip
def test_criteria_whose_names_end_alike_are_told_apart(names):
    values = small_rubric(*((name, 1, 5) for name in names)).model_dump()
    for order in itertools.permutations(names):
        grades = {name: 5 - names.index(name) for name in order}
        for name, (reply, text) in several_criteria(grades).items():
            rubric = Rubric.model_validate(values | {"reply": reply})
            spaced = text if name in ("tag", "json", "nested") else text.replace("-", " ")
            assert read_verdict(text, "stop", rubric) == (grades, ""), name
            assert read_verdict(spaced, "stop", rubric) == (grades, ""), name


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity"])
def test_what_json_cannot_hold_is_not_in_the_form(number):
    for text in (f'{{"rating": {number}}}', f'{{"rating": {number}, "rating": {number}}}'):
        reading = read_verdict(text, "stop", with_reply("json"))
        assert reading == (None, f"verdict not in the form asked for: {number.lower()!r}")


@pytest.mark.parametrize(
    "reply",
    ["tag", {"tag": "score"}, "json", {"json": "score"}, "rating", "fraction", "letter",
     {"letter": "DCBA"}],
)  # fmt: skip
def test_the_form_asked_for_is_the_form_read(reply):
    for rubric in (with_reply(reply, 0, 3), Rubric.model_validate(
        small_rubric(("wit", 0, 3), ("clarity", 0, 3)).model_dump() | {"reply": reply}
    ) if reply != "fraction" else with_reply(reply, 0, 3)):  # fmt: skip
        form = verdict_form(rubric)
        assert read_verdict(form, "stop", rubric).grades is None
        for n in range(4):
            text = form.replace(": X", f": {'DCBA'[n]}").replace("-n", f"-{n}")
            text = text.replace(": n", f": {n}").replace("n/3", f"{n}/3").replace(">n<", f">{n}<")
            expected = {criterion.name: n for criterion in rubric.criteria}
            assert read_verdict(text, "stop", rubric).grades == expected, text
    assert "for each" in describe_values(load_rubric("rationale-quality"))


def test_forms_that_cannot_be_are_refused():
    two = small_rubric(("wit", 1, 5), ("clarity", 1, 5)).model_dump()
    for values, problem in [
        (two | {"reply": "fraction"}, "cannot say which criterion"),
        (two | {"reply": {"letter": "ABC"}}, "a letter for each of the 5 grades"),
        (two | {"reply": {"letter": "ABCDD"}}, "each once"),
        (two | {"reply": "letter", "half_grades": True}, "no half grades"),
        (two | {"reply": {"rating": "x"}}, "takes no name"),
        (two | {"reply": {"tag": "a b"}}, "no name of a tag"),
        (two | {"reply": "prose"}, "Input should be"),
        (two | {"reply": []}, "at least 1"),
    ]:
        with pytest.raises(ValidationError, match=problem):
            Rubric.model_validate(values)


def test_the_hash_of_a_rubric_without_a_form_is_what_it_was():
    assert load_rubric("rationale-0-3").hash == "2f08bf63b2027811"
    assert with_reply("rating").hash != with_reply("tag").hash
    assert with_reply("tag").hash == small_rubric(("rating", 1, 5)).hash
    again = Rubric.model_validate(with_reply({"json": "score"}).model_dump(mode="json"))
    assert again == with_reply({"json": "score"})


PARTS = [
    "Rating", "rating:", " ", "\n", "4", "3", "5", "/5", "Grade: B", "A", "{", "}", "wit", "|", ",",
    '"rating": 4', "<score>", "</score>", "**", "(", ")", "-", ".", " or ", " is ", "½", "1-5",
    "</think>", "out of 5", "²", "make it a 2.",
]  # fmt: skip


@given(st.lists(st.sampled_from(PARTS), max_size=25))
def test_no_text_is_read_outside_the_scale(parts):
    text = "".join(parts)
    for reply in ("rating", "fraction", "letter", "json", {"tag": "score"}, ["rating", "json"]):
        rubric = with_reply(reply)
        reading = read_verdict(text, "stop", rubric)
        assert (reading.grades is None) == bool(reading.reason)
        if reading.grades is not None:
            assert reading.grades["rating"] in rubric.main.grades
