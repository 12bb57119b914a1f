"""Frozen candidates: what must never be in them, and how they are drawn."""

import hashlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from benchkit.data.dataset import PADDING_ITEM
from benchkit.data.preparation.candidates import PastItems, digest_answers, sample_candidates
from benchkit.errors import DataError

NOTHING = np.array([], dtype=np.int64)
SECRET = bytes(range(32))


def secret(*key):
    return hashlib.sha256(repr(key).encode()).digest()


def draw(required, n_items=None, histories=None, names=None, count=30, key=SECRET, **more):
    """Lists of cases with these required items [n, g] and histories (item codes, oldest first)."""
    required = np.asarray(required)
    histories = histories or [[]] * len(required)
    offsets = np.cumsum([0, *map(len, histories)])
    users = np.arange(len(required))
    items = np.concatenate([NOTHING, *map(np.asarray, histories)]).astype(np.int64)
    past = PastItems.from_interactions(np.repeat(users, np.diff(offsets)), items, n_items)
    return sample_candidates(
        names or [f"u{user}" for user in users], users, offsets[1:], required, past,
        more.pop("popularity", np.ones(n_items, int)), count, secret=key, **more,
    )  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 2**32),
    st.sampled_from([45, 60, 400]),
    st.sampled_from(["uniform", "popularity"]),
)
def test_one_target_no_duplicate_nothing_from_the_history(seed, n_items, sampling):
    rng = np.random.default_rng(seed)
    histories = [rng.choice(n_items, rng.integers(0, 25)) for _ in range(30)]
    targets = rng.integers(0, n_items, 30)
    popularity = np.bincount(np.concatenate(histories), minlength=n_items)
    lists = draw(
        targets[:, None], n_items, histories, count=12, sampling=sampling, popularity=popularity,
        key=secret(seed),
    )  # fmt: skip
    for history, target, row in zip(histories, targets, lists, strict=True):
        listed, past = row[row != PADDING_ITEM], set(history.tolist())
        assert len(set(listed)) == len(listed) and np.count_nonzero(row == target) == 1
        assert (row[len(listed) :] == PADDING_ITEM).all()  # shorter lists end in it
        if target in past:
            assert set(listed) <= past and len(listed) == min(12, len(past))
        else:
            assert not set(listed) & past and len(listed) == 12


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32))
def test_several_relevant_items_have_negatives_of_their_kinds(seed):
    rng = np.random.default_rng(seed)
    history = rng.choice(40, 12, replace=False)
    new = np.setdiff1d(np.arange(40), history)
    n_past, n_new = rng.integers(0, 4), rng.integers(1, 3)
    required = rng.permutation([*history[:n_past], *new[:n_new], PADDING_ITEM])
    row = draw(required[None], 40, [history], count=10, key=secret(seed))[0]
    listed = row[row != PADDING_ITEM]
    assert len(set(listed)) == len(listed) and set(required) - {PADDING_ITEM} <= set(listed)
    share = np.isin(listed, history).mean()
    assert abs(share - n_past / (n_past + n_new)) * len(listed) < 1
    assert len(listed) == min(10, 12 * (n_past + n_new) // n_past if n_past else 10)


def test_a_required_item_that_stands_twice_is_listed_once():
    row = draw([[3, 3, 5]], 40, count=6)[0]
    assert len(set(row)) == 6 and {3, 5} <= set(row)


def test_more_relevant_items_than_places_are_refused():
    with pytest.raises(DataError, match="case 'u0' has 3 relevant items, more than the 2 of a"):
        draw([[1, 2, 3]], 40, count=2)


def test_new_items_can_fill_a_list_whose_history_is_too_short():
    row = draw([[3]], 40, [[3, 4, 5]], count=6, shorten=False)[0]
    assert {3, 4, 5} <= set(row) and len(set(row)) == 6 and PADDING_ITEM not in row


def test_the_place_of_the_target_is_uniform():
    targets = np.random.default_rng(0).integers(0, 500, (6000, 1))
    place = np.argmax(draw(targets, 500) == targets, axis=1)
    assert stats.chisquare(np.bincount(place, minlength=30)).pvalue > 1e-3


def test_a_case_does_not_depend_on_the_other_cases():
    rng = np.random.default_rng(0)
    targets = rng.integers(0, 200, (50, 1))
    histories = [rng.choice(200, 10) for _ in range(50)]
    lists = draw(targets, 200, histories)
    some = [40, 3, 17]
    alone = draw(targets[some], 200, [histories[s] for s in some], [f"u{s}" for s in some])
    np.testing.assert_array_equal(alone, lists[some])


def test_the_secret_and_the_name_change_the_draw():
    assert (draw([[0]], 99) == draw([[0]], 99)).all()
    assert (draw([[0]], 99) != draw([[0]], 99, key=secret(1))).any()
    assert (draw([[0]], 99) != draw([[0]], 99, names=["other"])).any()


def test_the_digest_depends_on_every_answer_and_nothing_else():
    ids = ["a", "b", "c", "d"]

    def digest(part="test", names=("x", "y"), relevant=((0, 2), (1, PADDING_ITEM)), ids=ids):
        return digest_answers(part, names, np.array(relevant), ids)

    first = digest()
    assert len(first) == 32 and first == digest(ids=["a", "b", "c", "no target"])
    others = [
        digest("valid"), digest(names=("x", "z")), digest(relevant=((0, 2), (3, PADDING_ITEM))),
        digest(relevant=((0, 2), (1, 1))), digest(relevant=((0, 3), (1, PADDING_ITEM))),
        digest(ids=["A", "b", "c", "d"]), digest(names=("xy", "")),
    ]  # fmt: skip
    assert len({first, *others}) == 8


@pytest.mark.parametrize("n_items", [40, 2000])  # the last resort, and rejection
def test_uniform_negatives_are_uniform(n_items):
    counts = np.bincount(draw(np.zeros((4000, 1), int), n_items).ravel(), minlength=n_items)[1:]
    assert stats.chisquare(counts).pvalue > 1e-3


@pytest.mark.parametrize("n_items", [9, 3000])
def test_popularity_sampling_follows_popularity(n_items):
    n, popularity = 4000, np.arange(n_items)
    target = np.full((n, 1), n_items)  # beyond the weights, so that it blocks none of them
    lists = draw(
        target, n_items + 1, popularity=np.append(popularity, 0), count=2, sampling="popularity"
    )
    counts = np.bincount(lists[lists != n_items], minlength=n_items)
    # An item without training interactions counts as one: else it would be known for the target.
    weights = np.maximum(popularity, 1)
    expected = weights / (weights.sum() + 1) * n
    groups = np.array_split(np.arange(n_items), 8)
    observed = np.array([counts[g].sum() for g in groups])
    wanted = np.array([expected[g].sum() for g in groups])
    assert stats.chisquare(observed, wanted / wanted.sum() * n).pvalue > 1e-3


def test_too_small_a_catalogue_is_refused():
    with pytest.raises(DataError, match="user 'ann' has only 9 items left to draw 29"):
        draw([[0]], 10, names=["ann"])
    with pytest.raises(DataError, match="has only 0 items left to draw 29"):
        draw([[0]], 10, drawable=np.zeros(10, dtype=bool))


def test_past_items_are_those_before_a_row():
    past = PastItems.from_interactions(
        np.array([0, 0, 0, 0, 2, 2]), np.array([4, 1, 4, 3, 1, 1]), 5
    )
    assert past.list_items(0, 4).tolist() == [1, 3, 4] and past.list_items(0, 1).tolist() == [4]
    assert past.list_items(1, 4).tolist() == [] and past.list_items(2, 5).tolist() == [1]
    assert past.count(np.array([0, 0, 4]), np.array([4, 3, 6])).tolist() == [3, 2, 1]
    inside = past.contains(np.array([0, 2]), np.array([3, 4]), np.array([[4, 3, -1], [1, 4, 0]]))
    assert inside.tolist() == [[True, False, False], [False, False, False]]
