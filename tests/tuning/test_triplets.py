"""Preferences in words: grouping, ranking, ties, conflicts, files."""

import pytest

from benchkit.errors import DataError
from benchkit.lm.teachers.base import Question, Rationale
from benchkit.protocols import Event
from benchkit.tuning.triplets import (
    check_known,
    preferences,
    ranked,
    read_preferences,
    write_preferences,
)

HISTORY = (Event("h", 4.0, 1, "fine"), Event("i"))
ITEMS = ("c", "r1", "r2")


def asked(key: str) -> list[Question]:
    return [Question(key, HISTORY, ("r2", "c", "x", "r1"), item) for item in ITEMS]


def said(key: str, scores: tuple[float | None, ...]) -> list[Rationale]:
    return [
        Rationale(key, item, None if s is None else f"why {item}", s, "ok" if s else "unparsed")
        for item, s in zip(ITEMS, scores, strict=True)
    ]


SCORES = {"a": (6.0, 2.0, 3.0), "b": (3.0, 5.0, 1.0), "c": (5.0, 4.0, 4.0), "d": (5.0, None, 4.0)}
FOUND = preferences(
    [q for key in SCORES for q in asked(key)], [r for k, s in SCORES.items() for r in said(k, s)]
)


def test_the_first_question_of_a_user_is_the_chosen_item():
    assert [own.key for own in FOUND] == list(SCORES)
    assert FOUND[0].chosen.item == "c"
    assert [c.item for c in FOUND[0].rejected] == ["r1", "r2"]
    assert FOUND[0].request.history == HISTORY
    bare = preferences(asked("a"))
    assert bare[0].chosen.rationale is None


def test_hard_comes_before_easy_and_ties_are_dropped_and_counted():
    kept, counts = ranked(FOUND)
    assert [[c.item for c in own.rejected] for own in kept] == [["r2", "r1"], ["r1", "r2"]]
    assert (counts.asked, counts.incomplete, counts.tied, counts.kept) == (4, 1, 1, 2)
    assert counts.conflicts == 0.5  # b: a rejected item is more coherent than the chosen one
    assert counts.weak == 0.5


def test_ties_can_be_ordered_by_chance():
    many = preferences(
        [q for n in range(200) for q in asked(str(n))],
        [r for n in range(200) for r in said(str(n), (5.0, 4.0, 4.0))],
    )
    kept, counts = ranked(many, ties="random")
    first = sum(own.rejected[0].item == "r1" for own in kept)
    assert counts.tied == counts.kept == 200
    assert 70 < first < 130
    assert ranked(many, ties="random")[0] == kept


def test_files_hold_all_of_it(tmp_path):
    path = tmp_path / "triplets.jsonl"
    assert write_preferences(path, FOUND) == 4
    assert read_preferences(path) == FOUND
    check_known(FOUND, ["h", "i", "x", *ITEMS], path)
    with pytest.raises(DataError, match="names item 'x'"):
        check_known(FOUND, ["h", "i", *ITEMS], path)


def test_a_wrong_line_is_named(tmp_path):
    path = tmp_path / "triplets.jsonl"
    write_preferences(path, FOUND[:1])
    path.write_text(path.read_text() + '{"key": "z"}\n')
    with pytest.raises(DataError, match="line 2: history"):
        read_preferences(path)
    path.write_text("")
    with pytest.raises(DataError, match="no preference"):
        read_preferences(path)
