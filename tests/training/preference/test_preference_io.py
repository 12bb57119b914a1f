"""Preferences in files: what is written is read, and what an imported file must hold."""

from dataclasses import replace

import pytest

from benchkit.errors import DataError
from benchkit.lm.teachers.questions import build_training_questions
from benchkit.testing.fixtures import toy_dataset
from benchkit.training.preference.examples import Choice, Preference, group_preferences
from benchkit.training.preference.preference_io import (
    check_imported_preferences,
    read_caveats,
    read_preferences,
    write_preferences,
)
from benchkit.types import Event

HISTORY = (Event("h", 4.0, 1, "fine\u2028really"), Event("i"))
FOUND = [
    Preference(key, HISTORY, ("c", "r", "x"), Choice("c", "why c", 6.0), (Choice("r", None, None),))
    for key in ("a", "b")
]


def test_files_hold_all_of_it(tmp_path):
    path = tmp_path / "triplets.jsonl"
    assert write_preferences(path, FOUND) == 2
    assert read_preferences(path) == FOUND
    assert read_caveats(path) == ()


def test_a_file_says_where_it_comes_from(tmp_path):
    path = tmp_path / "triplets.jsonl"
    write_preferences(path, FOUND, "rationales from someone")
    assert read_preferences(path) == FOUND
    assert read_caveats(path) == ("rationales from someone",)
    path.write_text("\n{\n")
    with pytest.raises(DataError, match="line 2"):
        read_caveats(path)


def test_a_wrong_line_is_named(tmp_path):
    path = tmp_path / "triplets.jsonl"
    write_preferences(path, FOUND[:1])
    good = path.read_text()
    for line, said in (
        ('{"key": "z"}', r"line 2: \d problems\n  history: is missing"),
        (good.replace('"item": "c"', '"item": "z"'), "line 2: .*'z' is not among the candidates"),
        (good.replace("6.0", "8.0"), "line 2: chosen.*not 1 to 7"),
        ("{", "line 2"),
    ):
        path.write_text(good + line + "\n")
        with pytest.raises(DataError, match=said):
            read_preferences(path)
    path.write_text("\n")
    with pytest.raises(DataError, match="no preference"):
        read_preferences(path)
    with pytest.raises(DataError, match="cannot be read"):
        read_preferences(tmp_path / "absent.jsonl")


@pytest.fixture(scope="module")
def dataset():
    return toy_dataset(users=40, items=60, length=8)


@pytest.fixture(scope="module")
def own(dataset):
    questions = build_training_questions(dataset.train_view(), negatives=2, candidates=10, limit=3)
    return group_preferences(questions)


def test_preferences_of_the_training_interactions_are_accepted(dataset, own, tmp_path):
    assert check_imported_preferences(own, dataset.train_view(), tmp_path) == 0


def test_preferences_of_other_users_are_counted(dataset, own, tmp_path):
    found = [own[0], replace(own[1], key="a stranger"), replace(own[2], key="another")]
    assert check_imported_preferences(found, dataset.train_view(), tmp_path) == 2


def test_what_is_asked_later_must_not_be_trained_on(dataset, own, tmp_path):
    view = dataset.train_view()
    for cases in (dataset.test, dataset.valid):
        request = next(dataset.requests(cases, 0, 1))
        target = dataset.catalog.ids[cases.target[0]]
        others = [item for item in request.candidates if item != target]
        chosen = Preference(
            request.user, request.history, request.candidates, Choice(target), (Choice(others[0]),)
        )
        with pytest.raises(DataError, match=f"item {target!r} as chosen or in its history"):
            check_imported_preferences([chosen], view, tmp_path)
    first = own[0]
    taken = view.interactions.sequence(view.users.index(first.key))
    unseen = next(item for code, item in enumerate(view.catalog.ids) if code not in taken)
    with pytest.raises(DataError, match=f"{unseen!r} as chosen or in its history"):
        check_imported_preferences(
            [replace(first, history=(*first.history, Event(unseen)))], view, tmp_path
        )


def test_keys_and_items_are_there_once_and_known(dataset, own, tmp_path):
    view = dataset.train_view()
    with pytest.raises(DataError, match="occurs twice"):
        check_imported_preferences([own[0], own[0]], view, tmp_path)
    chosen = own[0].chosen.item
    twice = replace(own[0], chosen=Choice(chosen, "good"), rejected=(Choice(chosen, "bad"),))
    with pytest.raises(DataError, match="has an item twice"):
        check_imported_preferences([twice], view, tmp_path)
    strange = replace(own[0], candidates=(*own[0].candidates, "nothing"))
    with pytest.raises(DataError, match="names item 'nothing'"):
        check_imported_preferences([strange], view, tmp_path)
