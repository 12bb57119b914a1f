"""The classic collaborative filters, against values by hand and dense references."""

import dataclasses
from collections.abc import Sequence
from math import sqrt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from scipy import sparse

from baselines.cf import item_knn
from baselines.cf.ease import EASE, solve_ease
from baselines.cf.item_knn import ItemKNN, nearest_neighbours
from baselines.cf.markov import Markov, discount_transitions, transition_counts
from baselines.cf.matrices import history_matrix, training_matrix
from baselines.cf.popularity import Popularity
from baselines.cf.random_order import Random
from benchkit.data.request_batch import TrainData
from benchkit.errors import ConfigError
from benchkit.evaluation.lookup import find_metric
from benchkit.evaluation.ranks import ranks_from_scores
from benchkit.testing.fixtures import run_context
from benchkit.types import Catalog, Event, Interactions, Recommender, Request

A, B, C, D = range(4)
METHODS = (Popularity, ItemKNN, EASE, Markov)


def view(sequences: Sequence[Sequence[int]], n_items: int = 4) -> TrainData:
    """Training data of users with these item codes, oldest first; item 2 is named "i2"."""
    sizes = [len(sequence) for sequence in sequences]
    interactions = Interactions(
        user=np.repeat(np.arange(len(sizes), dtype=np.int32), sizes),
        item=np.array([code for sequence in sequences for code in sequence], dtype=np.int32),
        offsets=np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64),
    )
    catalog = Catalog(tuple(f"i{code}" for code in range(n_items)), {})
    return TrainData("tiny", [f"u{u}" for u in range(len(sizes))], catalog, interactions, ())


def request(history: Sequence[int], n_items: int = 4, case_id: str = "case") -> Request:
    """A stranger's question about the whole catalogue."""
    events = tuple(Event(f"i{code}") for code in history)
    return Request(case_id, "nobody", events, tuple(f"i{code}" for code in range(n_items)))


def fitted(method: Recommender, data: TrainData) -> Recommender:
    method.fit(data, run_context(data.catalog))
    return method


def scores(method: Recommender, data: TrainData, *histories: Sequence[int]) -> np.ndarray:
    """[n, n_items] scores after each history."""
    asked = [request(history, len(data.catalog)) for history in histories]
    answers = fitted(method, data).predict(asked, run_context(data.catalog))
    return np.array([answer.scores for answer in answers])


def sequences(n_items: int = 6) -> st.SearchStrategy[list[list[int]]]:
    one = st.lists(st.integers(0, n_items - 1), min_size=1, max_size=8)
    return st.lists(one, min_size=1, max_size=8)


# What they share


@pytest.mark.parametrize("method", (Random, *METHODS))
def test_settings_that_do_not_exist_are_refused(method):
    with pytest.raises(ValidationError):
        method.Config(no_such_setting=1)
    assert method(method.Config()).config == method().config


@pytest.mark.parametrize("method", METHODS)
def test_only_the_candidates_are_scored_in_their_order(method):
    data = view([[A, B, C], [B, C, D], [A, C]])
    every = scores(method(), data, [A, B])[0]
    asked = dataclasses.replace(request([A, B]), candidates=("i3", "i0"))
    (answer,) = fitted(method(), data).predict([asked], run_context(data.catalog))
    assert answer.scores == [every[D], every[A]]


def test_a_training_matrix_is_binary_whatever_is_repeated():
    matrix = training_matrix(view([[A, A, B], [C]]))
    assert matrix.toarray().tolist() == [[1, 1, 0, 0], [0, 0, 1, 0]]


def test_a_history_counts_by_age_and_an_item_once():
    index = {f"i{code}": code for code in range(4)}
    histories = [request([A, B, A, C]), request([]), request([9, B])]
    table = history_matrix(histories, index, decay=0.5).toarray()
    assert table.tolist() == [[0.5, 0.25, 1, 0], [0, 0, 0, 0], [0, 1, 0, 0]]
    newest = history_matrix(histories, index, decay=0.5, newest=2).toarray()
    assert newest[0].tolist() == [0.5, 0, 1, 0]


# Random and popularity


def test_random_answers_with_uniform_draws_of_the_candidates():
    data, asked = view([[A]], 10), [request([], 10, f"test:{case}") for case in range(2000)]
    run = run_context(data.catalog)
    answers = list(Random().sample(asked, run))
    drawn = [[sample.item for sample in answer.samples] for answer in answers]
    counts = np.unique(np.array(drawn), axis=None, return_counts=True)[1]
    assert len(drawn[0]) == run.decoding["n"] == 5
    assert counts == pytest.approx(1000, abs=4 * sqrt(10_000 * 0.1 * 0.9))
    repeated = np.mean([len(set(items)) for items in drawn])
    assert repeated == pytest.approx(10 * (1 - 0.9**5), abs=0.08)
    assert {s.text for s in answers[0].samples} == set(drawn[0])  # items without titles


def test_random_answers_belong_to_items_and_are_called_by_their_titles():
    catalog = Catalog(("i0", "i1", "i2"), {"title": ["Zero", "One", None]})
    run = run_context(catalog, decoding={"n": 40})
    (answer,), (turned,) = (
        Random().sample([Request("c", "u", (), order)], run)
        for order in (("i0", "i1", "i2"), ("i2", "i0", "i1"))
    )
    assert answer == turned
    assert {(s.item, s.text) for s in answer.samples} == {
        ("i0", "Zero"), ("i1", "One"), ("i2", "i2"),
    }  # fmt: skip


def test_random_is_chance():
    asked = [request([], 10, f"test:{case}") for case in range(4000)]
    answers = fitted(Random(), view([[A]])).predict(asked, run_context(view([[A]]).catalog))
    ranks = ranks_from_scores([answer.scores for answer in answers], np.full(4000, 3))
    assert find_metric("hr@1").values(ranks).mean() == pytest.approx(0.1, abs=4 * sqrt(0.09 / 4000))
    assert np.unique(ranks.n_better).tolist() == list(range(10))


def test_random_follows_the_seed_and_the_case():
    data = view([[A]])

    def drawn(seed: int, case: str) -> Sequence[float]:
        asked = request([], 10, case)
        (answer,) = Random().predict([asked], run_context(data.catalog, seed=seed))
        return answer.scores

    assert drawn(0, "a") == drawn(0, "a")
    assert len({tuple(drawn(0, "a")), tuple(drawn(1, "a")), tuple(drawn(0, "b"))}) == 3


def test_random_scores_items_that_training_never_saw():
    asked = dataclasses.replace(request([]), candidates=("new", "newer"))
    (answer,) = Random().predict([asked], run_context(view([[A]]).catalog))
    assert all(0 <= score < 1 for score in answer.scores)


def test_popularity_counts_interactions():
    data = view([[A, B, A], [B, C], [A]])
    assert scores(Popularity(), data, [], [A, C]).tolist() == [[3, 2, 1, 0]] * 2


# Item neighbours


def test_similarity_by_hand():
    # a: u0 u1; b: u0 u1 u2; c: u1; d: nobody
    matrix = training_matrix(view([[A, B], [C, A, B], [B]]))
    plain = nearest_neighbours(matrix, 4, 0.0).toarray()
    ab, ac, bc = 2 / sqrt(6), 1 / sqrt(2), 1 / sqrt(3)
    np.testing.assert_allclose(
        plain, [[0, ab, ac, 0], [ab, 0, bc, 0], [ac, bc, 0, 0], [0, 0, 0, 0]]
    )
    assert nearest_neighbours(matrix, 4, 1.0).toarray()[A, B] == pytest.approx(2 / (sqrt(6) + 1))
    nearest = nearest_neighbours(matrix, 1, 0.0).toarray()
    np.testing.assert_allclose(nearest, [[0, ab, 0, 0], [ab, 0, 0, 0], [ac, 0, 0, 0], [0] * 4])


def test_item_knn_sums_the_similarities_of_the_history():
    data = view([[A, B], [C, A, B], [B]])
    config = ItemKNN.Config(neighbours=4, shrinkage=0, decay=0.5)
    ab, ac, bc = 2 / sqrt(6), 1 / sqrt(2), 1 / sqrt(3)
    got = scores(ItemKNN(config), data, [C, A], [])
    np.testing.assert_allclose(got[0], [0.5 * ac, 0.5 * bc + ab, ac, 0])
    assert not got[1].any()


@settings(max_examples=30, deadline=None)
@given(sequences(), st.integers(1, 7), st.floats(0, 20))
def test_neighbours_equal_a_dense_reference(rows, k, shrinkage):
    x = training_matrix(view(rows, 6)).toarray()
    norm = np.sqrt(x.sum(axis=0))
    scale = np.outer(norm, norm) + shrinkage
    similarity = np.divide(x.T @ x, scale, out=np.zeros((6, 6)), where=scale > 0)
    np.fill_diagonal(similarity, 0)
    border = np.sort(similarity, axis=1)[:, -min(k, 6)][:, None]
    got = nearest_neighbours(sparse.csr_array(x), k, shrinkage).toarray()
    kept = got > 0
    np.testing.assert_allclose(got[kept], similarity[kept], rtol=1e-12)
    # Everything above the k-th value is kept; of those equal to it, some.
    assert (kept.sum(axis=1) == np.minimum(k, (similarity > 0).sum(axis=1))).all()
    assert kept[similarity > border].all()


def test_blocks_do_not_change_the_neighbours(monkeypatch):
    rng = np.random.default_rng(0)
    matrix = sparse.csr_array((rng.random((30, 25)) < 0.2).astype(float))
    whole = nearest_neighbours(matrix, 5, 3.0).toarray()
    monkeypatch.setattr(item_knn, "_CELLS", 100)
    np.testing.assert_array_equal(nearest_neighbours(matrix, 5, 3.0).toarray(), whole)


# EASE


@settings(max_examples=30, deadline=None)
@given(sequences(), st.floats(0.1, 100))
def test_ease_is_ridge_regression_of_each_item_on_the_others(rows, l2):
    matrix = training_matrix(view(rows, 6))
    x, weights = matrix.toarray(), solve_ease(matrix, l2)
    assert not np.diag(weights).any()
    for item in range(6):
        others = [other for other in range(6) if other != item]
        z = x[:, others]
        ridge = np.linalg.solve(z.T @ z + l2 * np.eye(5), z.T @ x[:, item])
        np.testing.assert_allclose(weights[others, item], ridge, atol=1e-9)


def test_ease_by_the_dense_formula():
    data = view([[A, B], [C, A, B], [B, D]])
    x = training_matrix(data).toarray()
    inverse = np.linalg.inv(x.T @ x + 2.0 * np.eye(4))
    weights = np.eye(4) - inverse / np.diag(inverse)
    got = scores(EASE(EASE.Config(l2=2.0)), data, [A, D], [])
    np.testing.assert_allclose(got[0], weights[A] + weights[D], atol=1e-12)
    assert not got[1].any()


def test_ease_refuses_a_catalogue_it_cannot_invert():
    with pytest.raises(ConfigError, match="max_items is 3") as error:
        fitted(EASE(EASE.Config(max_items=3)), view([[A, B]]))
    assert "max_items" in error.value.hint


# Markov


def test_transitions_by_hand():
    rows = view([[A, B, C], [A, B, A]]).interactions
    first = transition_counts(rows, 4).toarray()
    assert first.tolist() == [[0, 2, 0, 0], [1, 0, 1, 0], [0] * 4, [0] * 4]
    # Two places apart: a..c of the first user, a..a of the second; never across users.
    second = transition_counts(rows, 4, window=2, decay=0.5).toarray()
    assert second.tolist() == [[0.5, 2, 0.5, 0], [1, 0, 1, 0], [0] * 4, [0] * 4]


def test_a_window_longer_than_the_data():
    assert transition_counts(view([[A, B]]).interactions, 4, window=9).sum() == 1


def test_markov_by_hand():
    data = view([[A, B, C], [A, B, A]])
    config = Markov.Config(window=1, discount=0.5, pseudo_count=1)
    popularity = np.array([4, 3, 2, 1]) / 10
    after_a, after_b, after_d, at_first = scores(Markov(config), data, [C, A], [B], [D], [])
    np.testing.assert_allclose(after_a, np.array([0, 1.5, 0, 0]) / 2 + 0.25 * popularity)
    np.testing.assert_allclose(after_b, np.array([0.5, 0, 0.5, 0]) / 2 + 0.5 * popularity)
    np.testing.assert_allclose(after_d, popularity)
    np.testing.assert_allclose(at_first, popularity)


def test_markov_mixes_the_newest_items():
    data = view([[A, B, C], [A, B, A]])
    one = Markov.Config(window=2, decay=0.5, discount=0.25)
    both, newest, before = scores(Markov(one), data, [D, B, A], [A], [B])
    np.testing.assert_allclose(both, (newest + 0.5 * before) / 1.5)


@settings(max_examples=50, deadline=None)
@given(
    sequences(),
    st.lists(st.lists(st.integers(0, 7), max_size=6), min_size=1, max_size=4),
    st.integers(1, 4),
    st.floats(0.1, 1),
    st.floats(0, 1),
)
def test_markov_is_a_distribution(rows, histories, window, decay, discount):
    config = Markov.Config(window=window, decay=decay, discount=discount)
    got = scores(Markov(config), view(rows, 6), *histories)
    assert (got >= 0).all()
    np.testing.assert_allclose(got.sum(axis=1), 1.0)


def test_without_a_discount_only_unknown_items_back_off():
    follow = transition_counts(view([[A, B, C], [A, B, A]]).interactions, 4)
    direct, backoff = discount_transitions(follow, 0.0)
    assert backoff.tolist() == [0, 0, 1, 1]
    assert direct.toarray()[B].tolist() == [0.5, 0, 0.5, 0]
