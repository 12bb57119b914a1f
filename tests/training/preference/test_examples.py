"""Preferences in words: what one must hold, grouping, ranking, ties, conflicts."""

from dataclasses import replace

import pytest

from benchkit.errors import DataError
from benchkit.lm.teachers.base import Rationale, TeacherQuestion
from benchkit.training.preference.examples import (
    Choice,
    Preference,
    check_rejected_counts,
    group_preferences,
    rank_rejected,
)
from benchkit.types import Event

HISTORY = (Event("h", 4.0, 1, "fine"), Event("i"))
ITEMS = ("c", "r1", "r2")


def asked(key: str) -> list[TeacherQuestion]:
    return [TeacherQuestion(key, HISTORY, ("r2", "c", "x", "r1"), item) for item in ITEMS]


def said(key: str, scores: tuple[float | None, ...]) -> list[Rationale]:
    return [
        Rationale(key, item, None if s is None else f"why {item}", s, "ok" if s else "unparsed")
        for item, s in zip(ITEMS, scores, strict=True)
    ]


SCORES = {"a": (6.0, 2.0, 3.0), "b": (3.0, 5.0, 1.0), "c": (5.0, 4.0, 4.0), "d": (5.0, None, 4.0)}
FOUND = group_preferences(
    [q for key in SCORES for q in asked(key)], [r for k, s in SCORES.items() for r in said(k, s)]
)


def test_the_first_question_of_a_user_is_the_chosen_item():
    assert [own.key for own in FOUND] == list(SCORES)
    assert FOUND[0].chosen.item == "c"
    assert [c.item for c in FOUND[0].rejected] == ["r1", "r2"]
    assert FOUND[0].request.history == HISTORY
    bare = group_preferences(asked("a"))
    assert bare[0].chosen.rationale is None


def test_hard_comes_before_easy_and_ties_are_dropped_and_counted():
    kept, counts = rank_rejected(FOUND)
    assert [[c.item for c in own.rejected] for own in kept] == [["r2", "r1"], ["r1", "r2"]]
    assert (counts.asked, counts.incomplete, counts.tied, counts.kept) == (4, 1, 1, 2)
    assert counts.conflicts == 0.5  # b: a rejected item is more coherent than the chosen one
    assert counts.weak == 0.5


def test_ties_can_be_ordered_by_chance():
    many = group_preferences(
        [q for n in range(200) for q in asked(str(n))],
        [r for n in range(200) for r in said(str(n), (5.0, 4.0, 4.0))],
    )
    kept, counts = rank_rejected(many, ties="random")
    first = sum(own.rejected[0].item == "r1" for own in kept)
    assert counts.tied == counts.kept == 200
    assert 70 < first < 130
    assert rank_rejected(many, ties="random")[0] == kept


def test_without_scores_they_are_kept_in_their_order_where_none_are_needed():
    said_of_all = [replace(r, score=None) for r in said("a", SCORES["a"])]
    bare = group_preferences(asked("a"), said_of_all)
    assert rank_rejected(bare, scored=False)[0] == bare
    assert rank_rejected(bare)[1].incomplete == 1
    mixed, counts = rank_rejected([*bare, *FOUND], "random", scored=False)
    assert [own.key for own in mixed] == ["a", "a", "b", "c"]  # d has no rationale for one item
    assert (counts.incomplete, counts.tied, counts.kept) == (1, 1, 4)
    assert counts.conflicts == pytest.approx(1 / 3)  # of the scored ones


def test_counts_in_words():
    assert str(rank_rejected(FOUND)[1]) == (
        "4 asked, 1 incomplete, 1 tied, 2 kept; of these a rejected item is more coherent than the"
        " chosen one in 50.0%, and the chosen one is weak (below 4) in 50.0%"
    )


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"history": ()}, "history is empty"),
        ({"rejected": ()}, "no item is rejected"),
        ({"chosen": Choice("z")}, "'z' is not among the candidates"),
        ({"rejected": (Choice("z"),)}, "'z' is not among the candidates"),
        ({"rejected": (Choice("c", "why c", 2.0),)}, "two of its responses are the same"),
        ({"rejected": (Choice("x"), Choice("x"))}, "two of its responses are the same"),
    ],
)
def test_what_no_loss_can_use_is_no_preference(change, said):
    with pytest.raises(ValueError, match=said):
        replace(FOUND[0], **change)


@pytest.mark.parametrize("score", [0.9, 7.1, float("nan")])
def test_scores_are_1_to_7(score):
    assert (Choice("a", "t", 1.0).score, Choice("a", "t", 7.0).score) == (1.0, 7.0)
    with pytest.raises(ValueError, match="not 1 to 7"):
        Choice("a", "t", score)


def test_two_texts_on_one_item_can_be_compared():
    own = Preference("k", HISTORY, ("c",), Choice("c", "good"), (Choice("c", "bad"),))
    assert own.choices[0].item == own.choices[1].item


def test_a_loss_says_how_many_rejected_items_it_can_use():
    check_rejected_counts(FOUND, "m", 1)
    check_rejected_counts(FOUND, "m", 2, 2)
    with pytest.raises(DataError, match="'a' has 2 rejected items, and m needs 3"):
        check_rejected_counts(FOUND, "m", 3)
    with pytest.raises(DataError, match="'a' has 2 rejected items, and m uses 1"):
        check_rejected_counts(FOUND, "m", 1, 1)
