"""Questions for training: which items they ask about, and what they show."""

from dataclasses import replace

import numpy as np
import pytest

from benchkit.errors import ConfigError
from benchkit.lm.teachers.questions import build_earlier_questions, build_training_questions
from benchkit.testing.fixtures import toy_dataset


@pytest.fixture(scope="module")
def view():
    return toy_dataset(users=40, items=60).train_view()


def test_questions_ask_for_the_last_training_item_given_what_came_before(view):
    questions = build_training_questions(view)
    assert len(questions) == len(view.users)
    data = view.interactions
    for user, question in enumerate(questions):
        taken = [view.catalog.ids[code] for code in data.sequence(user)]
        assert question.key == view.users[user]
        assert [event.item for event in question.history] == taken[:-1]
        assert question.item == taken[-1]
        assert question.history[0].rating == data.rating[data.offsets[user]]
        assert len(set(question.candidates)) == 30
        assert set(question.candidates) & set(taken) == {question.item}


def test_negatives_share_history_and_list_and_were_not_taken(view):
    questions = build_training_questions(view, negatives=2, candidates=10)
    for first in range(0, len(questions), 3):
        three = questions[first : first + 3]
        assert len({q.item for q in three}) == 3
        assert len({(q.key, q.history, q.candidates) for q in three}) == 1
        assert {q.item for q in three} <= set(three[0].candidates)
        assert not {q.item for q in three[1:]} & {event.item for event in three[0].history}


def test_the_place_of_the_target_in_the_list_says_nothing():
    view = toy_dataset(users=400, items=60).train_view()
    places = [q.candidates.index(q.item) for q in build_training_questions(view, candidates=10)]
    counts = np.bincount(places, minlength=10)
    assert ((counts - 40) ** 2 / 40).sum() < 27.9  # chi-square, 9 degrees, p = 0.001


def test_questions_depend_on_the_seed_alone_and_fewer_users_are_part_of_more(view):
    assert build_training_questions(view, seed=3) == build_training_questions(view, seed=3)
    assert build_training_questions(view, seed=3) != build_training_questions(view, seed=4)
    few, more = (build_training_questions(view, limit=n, negatives=1) for n in (5, 9))
    assert len(few) == 10
    assert {q.key for q in few} < {q.key for q in more}
    assert [q for q in more if q.key in {q.key for q in few}] == few


def test_users_with_one_interaction_are_left_out(view):
    data = view.interactions
    short = replace(
        data,
        user=data.user[: data.offsets[1] + 1],
        item=data.item[: data.offsets[1] + 1],
        offsets=np.minimum(data.offsets, data.offsets[1] + 1),
    )
    assert [q.key for q in build_training_questions(replace(view, interactions=short))] == [
        view.users[0]
    ]


def test_more_negatives_than_candidates_are_refused(view):
    with pytest.raises(ConfigError, match="5 negatives"):
        build_training_questions(view, negatives=5, candidates=5)


def test_earlier_questions_ask_for_the_items_before_the_last_one(view):
    questions = iter(build_earlier_questions(view, 2, candidates=10))
    for user in range(len(view.users)):
        sequence = [view.catalog.ids[code] for code in view.interactions.sequence(user)]
        for stop in range(len(sequence) - 2, max(0, len(sequence) - 4), -1):
            question = next(questions)
            assert question.item == sequence[stop]
            assert [event.item for event in question.history] == sequence[:stop]
            assert len(set(question.candidates)) == 10
            assert set(question.candidates) & set(sequence[: stop + 1]) == {question.item}
    assert next(questions, None) is None


def test_no_first_interaction_is_asked_about_however_many_are_wanted(view):
    questions = build_earlier_questions(view, 1000, candidates=10)
    lengths = np.diff(view.interactions.offsets)
    assert len(questions) == (lengths - 2).sum()
    assert all(question.history for question in questions)
    assert len({question.key for question in questions}) == len(questions)


def test_no_earlier_items_no_questions(view):
    assert build_earlier_questions(view, 0) == []


def test_earlier_questions_of_fewer_users_are_part_of_those_of_more(view):
    few = build_earlier_questions(view, 3, candidates=10, limit=5)
    more = build_earlier_questions(view, 3, candidates=10, limit=9)
    assert few
    assert [question for question in more if question.key in {q.key for q in few}] == few
