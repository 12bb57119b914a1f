"""Pairs are asked in both orders, and what changes with the order is no preference."""

from dataclasses import replace

import pytest

from benchkit.judging.pairs.pair_verdicts import (
    AnswerPair,
    answer_input_key,
    list_inputs,
    make_pairs,
    pair_key,
    read_pairs,
)
from benchkit.judging.rubric import load_rubric
from benchkit.judging.verdicts import JudgeInput, JudgePair, Verdict
from benchkit.types import Event, Request

PAIRWISE, SINGLE = load_rubric("pair-quality"), load_rubric("rationale-quality")


class Judge:
    def __init__(self, rubric):
        self.rubric = rubric


def make_input(case="c", item="tea", rationale="Because."):
    request = Request(case, f"u{case}", (Event("gin", 4.0),), ("tea", "ale"))
    return JudgeInput(case, request, item, rationale)


def make_pair(first="Because.", second="Well."):
    return AnswerPair("c", "uc", "one", "two", make_input(rationale=first),
                      make_input(item="ale", rationale=second))  # fmt: skip


def outcome(first_order, second_order):
    """The outcome where the judge says these grades; None is no verdict."""
    pair = make_pair()
    verdicts = {}
    for order, grade in enumerate((first_order, second_order)):
        key = pair_key(pair, order)
        verdicts[key] = (
            Verdict(key, {}, "unscored", "no verdict")
            if grade is None
            else Verdict(key, {"preference": float(grade)})
        )
    (result,) = read_pairs(Judge(PAIRWISE), [pair], verdicts)
    return result


@pytest.mark.parametrize(
    ("grades", "name", "score", "first_shown"),
    [
        ((3, 1), "first", 1, 0.0),  # A, and then B, which is the same answer
        ((1, 3), "second", -1, 0.0),
        ((2, 2), "tie", 0, 0.0),
        ((3, 3), "inconsistent", 0, 1.0),  # always what is shown first
        ((1, 1), "inconsistent", 0, -1.0),
        ((3, 2), "inconsistent", 0, 0.5),
        ((2, 3), "inconsistent", 0, 0.5),
        ((2, 1), "inconsistent", 0, -0.5),
        ((2.5, 1.5), "first", 1, 0.0),  # a panel's median may be between
        ((None, 1), "unscored", None, None),
        ((3, None), "unscored", None, None),
    ],
)
def test_outcomes(grades, name, score, first_shown):
    result = outcome(*grades)
    assert (result.outcome, result.score, result.first_shown) == (name, score, first_shown)
    assert bool(result.reason) == (name == "unscored")


def test_both_orders_are_shown_and_differ_in_nothing_else():
    pair = make_pair()
    first, second = list_inputs(Judge(PAIRWISE), [pair])
    assert isinstance(first, JudgePair)
    assert (first.item, first.rationale) == ("tea", "Because.")
    assert (first.other_item, first.other_rationale) == ("ale", "Well.")
    turned = replace(
        second, key=first.key, item=second.other_item, rationale=second.other_rationale,
        other_item=second.item, other_rationale=second.rationale,
    )  # fmt: skip
    assert turned == first and first.key != second.key


def test_the_same_answer_twice_is_a_tie_that_nobody_is_asked_about():
    pair = make_pair()
    same = replace(pair, second=replace(pair.first, rationale=" Because. "))
    assert list_inputs(Judge(PAIRWISE), [same]) == []
    (result,) = read_pairs(Judge(PAIRWISE), [same], {})
    assert (result.outcome, result.score, result.first_shown) == ("same answer", 0, None)
    other_item = replace(same, second=replace(same.second, item="ale"))
    assert len(list_inputs(Judge(PAIRWISE), [other_item])) == 2


@pytest.mark.parametrize(
    ("grades", "name"),
    [((4, 2), "first"), ((2, 4), "second"), ((3, 3), "tie"), ((None, 3), "unscored")],
)
def test_a_judge_of_single_answers_compares_by_its_grades(grades, name):
    pair, judge = make_pair(), Judge(SINGLE)
    inputs = list_inputs(judge, [pair])
    assert [one.key for one in inputs] == ["c / one", "c / two"]
    verdicts = {
        one.key: Verdict(one.key, {}, "unscored", "?")
        if grade is None
        else Verdict(one.key, {"grounding": float(grade), "specificity": 1.0})
        for one, grade in zip(inputs, grades, strict=True)
    }
    (result,) = read_pairs(judge, [pair], verdicts)
    assert (result.outcome, result.first_shown) == (name, None)


def test_an_answer_is_asked_about_once_for_all_its_pairs():
    answers = {name: [make_input(case, rationale=name) for case in "ab"] for name in "xyz"}
    pairs = make_pairs(answers)
    assert len(pairs) == 3 * 2
    assert len(list_inputs(Judge(SINGLE), pairs)) == 6
    assert len(list_inputs(Judge(PAIRWISE), pairs)) == 12
    assert answer_input_key("x", make_input("a")) == "a / x"


def test_pairs_are_of_cases_that_both_explain():
    answers = {"x": [make_input("a"), make_input("b")], "y": [make_input("b", rationale="Hm.")]}
    (pair,) = make_pairs(answers)
    assert (pair.case, pair.user, pair.first_method, pair.second_method) == ("b", "ub", "x", "y")
    assert make_pairs({"x": answers["x"]}) == make_pairs({}) == []
