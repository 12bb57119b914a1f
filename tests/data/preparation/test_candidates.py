"""Frozen candidates: what must never be in them, and what their order must not tell."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from benchkit.data.preparation.candidates import sample_candidates
from benchkit.errors import DataError

EMPTY = np.array([], dtype=np.int64)


def make(n_users=50, n_items=200, seed=0, count=30, sampling="uniform", per_user=10):
    rng = np.random.default_rng(seed)
    items = np.array([rng.choice(n_items, per_user, replace=False) for _ in range(n_users)])
    users = np.arange(n_users)
    seen = np.unique((users[:, None] * n_items + items).ravel())
    popularity = np.bincount(items.ravel(), minlength=n_items)
    names = [f"u{u}" for u in users]
    lists = sample_candidates(names, users, items[:, -1:], seen, popularity, count, sampling, seed)
    return users, items, seen, lists


@settings(max_examples=25, deadline=None)
@given(
    st.integers(0, 5), st.sampled_from([45, 60, 400]), st.sampled_from(["uniform", "popularity"])
)
def test_one_target_no_duplicate_nothing_seen(seed, n_items, sampling):
    count = 12
    _, items, _, lists = make(30, n_items, seed, count, sampling, per_user=6)
    for own, row in zip(items, lists, strict=True):
        assert len(set(row)) == count
        assert set(row) & set(own) == {own[-1]}


def test_the_place_of_the_target_is_uniform_and_tells_nothing_of_it():
    users, items, _, lists = make(n_users=6000, n_items=500)
    place = np.argmax(lists == items[:, -1:], axis=1)
    assert stats.chisquare(np.bincount(place, minlength=30)).pvalue > 1e-3
    # Another target for the same user stands at the same place: the order does not know it.
    names = [f"u{u}" for u in users[:200]]
    popularity = np.ones(500, dtype=int)
    first = sample_candidates(names, users[:200], np.full((200, 1), 7), EMPTY, popularity, 30)
    second = sample_candidates(names, users[:200], np.full((200, 1), 431), EMPTY, popularity, 30)
    assert (np.argmax(first == 7, axis=1) == np.argmax(second == 431, axis=1)).all()


def test_a_case_does_not_depend_on_the_other_cases():
    users, items, seen, lists = make()
    popularity = np.bincount(items.ravel(), minlength=200)
    some = np.array([40, 3, 17])
    alone = sample_candidates(
        [f"u{u}" for u in some], users[some], items[some, -1:], seen, popularity, 30
    )
    np.testing.assert_array_equal(alone, lists[some])


def test_seed_and_split_change_the_draw():
    def lists(**key):
        return sample_candidates(
            ["a"], np.array([0]), np.array([[0]]), EMPTY, np.ones(99, int), 30, **key
        )

    assert (lists(seed=0, split="test") == lists(seed=0, split="test")).all()
    assert (lists(seed=0) != lists(seed=1)).any()
    assert (lists(split="test") != lists(split="valid")).any()


@pytest.mark.parametrize("n_items", [40, 2000])  # the last resort, and rejection
def test_uniform_negatives_are_uniform(n_items):
    n = 4000
    lists = sample_candidates(
        [str(u) for u in range(n)],
        np.arange(n),
        np.zeros((n, 1), int),
        EMPTY,
        np.ones(n_items, int),
        30,
    )
    counts = np.bincount(lists.ravel(), minlength=n_items)[1:]
    assert stats.chisquare(counts).pvalue > 1e-3


@pytest.mark.parametrize("n_items", [9, 3000])
def test_popularity_sampling_follows_popularity(n_items):
    n, popularity = 4000, np.arange(n_items)
    names = [str(u) for u in range(n)]
    target = np.full((n, 1), n_items)  # beyond the weights, so that it blocks none of them
    lists = sample_candidates(
        names, np.arange(n), target, EMPTY, np.append(popularity, 0), 2, "popularity"
    )
    drawn = lists[lists != n_items]
    counts = np.bincount(drawn, minlength=n_items)
    assert counts[0] == 0
    expected = popularity / popularity.sum() * n
    groups = np.array_split(np.arange(1, n_items), 8)
    assert stats.chisquare(
        [counts[g].sum() for g in groups], [expected[g].sum() for g in groups]
    ).pvalue > 1e-3  # fmt: skip


def test_too_small_a_catalogue_is_refused():
    with pytest.raises(DataError, match="user 'ann' has only 9 items left to draw 29"):
        sample_candidates(["ann"], np.array([0]), np.array([[0]]), EMPTY, np.ones(10, int), 30)
