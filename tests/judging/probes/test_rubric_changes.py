"""A rubric in other words asks for the same; its parts in another order are the same parts."""

import re

import pytest

from benchkit.judging.probes.rubric_changes import SYNONYMS, reverse_parts, reword_rubric
from benchkit.judging.rubric import Rubric, load_rubric, rubric_files

PLACES = re.compile(r"\{(history|item|target|rationale|scale)\}")
RUBRICS = sorted(rubric_files())
SINGLE = [name for name in RUBRICS if not load_rubric(name).pairwise]


@pytest.mark.parametrize("name", RUBRICS)
def test_other_words_are_a_rubric_with_the_same_grades(name):
    rubric, changed = load_rubric(name), reword_rubric(load_rubric(name))
    assert Rubric.model_validate(changed.model_dump()) == changed
    assert changed.user != rubric.user and changed.hash != rubric.hash
    assert PLACES.findall(changed.user) == PLACES.findall(rubric.user)
    for before, after in zip(rubric.criteria, changed.criteria, strict=True):
        assert (before.name, before.low, before.high) == (after.name, after.low, after.high)
        assert before.levels.keys() == after.levels.keys()
    assert (changed.reply, changed.invalid, changed.missing) == (
        rubric.reply, rubric.invalid, rubric.missing
    )  # fmt: skip
    words = set(re.findall(r"\w+", changed.user.lower()))
    assert not words & (SYNONYMS.keys() - {"item", "rationale"})


def test_placeholders_and_cases_of_words_stay():
    rubric = load_rubric("rationale-0-3").model_copy(
        update={"user": "Explanation: {rationale} of the rationale", "system": "STRICT. Customers"}
    )
    changed = reword_rubric(rubric)
    assert changed.user == "Justification: {rationale} of the reasoning"
    assert changed.system == "Exacting. Shoppers"


def test_a_rubric_without_such_words_gets_a_sentence_more():
    rubric = load_rubric("rationale-0-3").model_copy(update={"user": "{history} {item}"})
    assert reword_rubric(rubric).user == (
        "Read everything below before you answer.\n\n{history} {item}"
    )


@pytest.mark.parametrize("name", SINGLE)
def test_parts_are_shown_in_the_opposite_order(name):
    rubric = load_rubric(name)
    changed = reverse_parts(rubric)
    assert sorted(changed.user.split()) == sorted(rubric.user.split())
    shown = [[p for p in PLACES.findall(r.user) if p != "scale"] for r in (rubric, changed)]
    assert shown[1] == shown[0][::-1]
    assert reverse_parts(changed).user.split() == rubric.user.split()


def test_parts_in_one_paragraph_cannot_be_told_apart():
    rubric = load_rubric("rationale-0-3")
    for user in ("{history} {item}\n\n{rationale}", "{history}\n{item}\n{rationale}"):
        assert reverse_parts(rubric.model_copy(update={"user": user})) is None
