"""The other splits, and cold start, by hand."""

import numpy as np
import pytest

from benchkit.data import sources
from benchkit.data.preparation import splits
from benchkit.data.preparation.pipeline import prepare_dataset
from benchkit.data.spec import DatasetSpec
from benchkit.errors import DataError
from benchkit.testing.recommenders import toy_dataset

OFFSETS = np.array([0, 8, 11])
RATING = np.array([5, 1, 3, 4, 2, 5, 1, 4, 5, 5, 1], dtype=np.float32)


def toy(**changes):
    return prepare_dataset(
        sources.read_source("toy", {}),
        DatasetSpec.model_validate(
            {"name": "toy", "source": "toy", "candidates": {"count": 10}, **changes}
        ),
    )


def test_temporal_by_hand():
    offsets = np.array([0, 4, 10])
    time = np.array([1, 2, 9, 10, 3, 4, 5, 6, 7, 8])
    split = splits.temporal_split(offsets, time)
    # The cuts stand at the 9th and at the 10th of the ordered times.
    assert split.part.tolist() == [0, 0, 1, 2, 0, 0, 0, 0, 0, 0]
    assert split.valid.target.tolist() == [2]
    assert split.test.target.tolist() == split.test.stop.tolist() == [3]


def test_temporal_never_learns_from_the_future():
    data = toy(split="temporal")
    time = data.interactions.timestamp
    assert time[data.part == splits.TRAIN].max() < time[data.part == splits.VALID].min()
    assert time[data.part == splits.VALID].max() < time[data.part == splits.TEST].min()
    share = np.bincount(data.part) / len(data.part)
    np.testing.assert_allclose(share, [0.8, 0.1, 0.1], atol=0.02)
    assert len(set(data.test.ids)) == len(data.test)
    for request in data.requests(data.test):
        assert request.history


def test_rating_aware_asks_for_liked_items_only():
    split = splits.rating_aware_split(OFFSETS, RATING)
    assert split.test.target.tolist() == [7]  # the second user's last item is rated 1
    assert split.valid.target.tolist() == [9]  # the first user's next to last is rated 1
    assert split.part.tolist() == [0] * 6 + [1, 2, 0, 1, 2]
    assert split.funnel["users_whose_last_item_is_not_liked"] == 1
    data = toy(split="rating-aware")
    assert (data.interactions.rating[data.test.stop] >= splits.MIN_LIKED_RATING).all()
    low = [
        e
        for r in data.requests(data.test)
        for e in r.history
        if e.rating <= splits.MAX_DISLIKED_RATING
    ]
    assert low  # kept in the histories


def test_adherence_by_hand():
    split = splits.adherence_split(OFFSETS, RATING)
    # Rows 3..7 are held out; rows 3, 5 and 7 are liked: 3 is the target, 5 stands beside it.
    assert split.test.target.tolist() == [3]
    assert split.test.stop.tolist() == [3]
    assert split.test.beside.tolist() == [[5]]
    assert split.valid.target.tolist() == [2]
    assert split.part[:8].tolist() == [0, 0, 1, 2, 2, 2, 2, 2]
    assert split.funnel["users_too_short_to_ask"] == 1
    data = toy(split="adherence")
    asked = splits.adherence_split(data.interactions.offsets, data.interactions.rating).test
    later = data.interactions.item[asked.beside[:, 0]]
    for row, target, beside in zip(data.test.candidates, data.test.target, later, strict=True):
        assert len(set(row)) == 10
        assert target in row
        assert beside in row


def test_avoidance_asks_about_disliked_items():
    split = splits.avoidance_split(OFFSETS, RATING)
    assert split.test.target.tolist() == [10]
    data = toy(split="avoidance")
    assert (data.interactions.rating[data.test.stop] <= splits.MAX_DISLIKED_RATING).all()


@pytest.mark.parametrize(
    ("name", "missing"),
    [("temporal", "timestamps"), ("rating-aware", "ratings"), ("adherence", "ratings")],
)
def test_splits_say_what_they_need(name, missing):
    with pytest.raises(DataError, match=f"needs {missing}"):
        splits.make_split(name, OFFSETS)


def test_cold_users_are_absent_from_training_and_alone_are_asked():
    data = toy(cold={"of": "users", "share": 0.2})
    view = data.train_view()
    asked = set(data.test.user.tolist())
    assert len(asked) == data.report["cold_users"] == 40
    assert not asked & set(view.interactions.user.tolist())
    assert not asked & set(data.valid.user.tolist())
    whole = toy_dataset()
    assert len(view.interactions) < len(whole.train_view().interactions)


def test_cold_items_are_absent_from_training_and_so_are_their_rivals():
    data = toy(cold={"of": "items", "share": 0.4})
    trained = set(data.train_view().interactions.item.tolist())
    assert len(data.test) > 0
    assert not trained & set(data.test.candidates.ravel().tolist())
    assert set(data.valid.target.tolist()) & trained
    assert data.report["cold_items"] == 48


def test_the_withheld_do_not_depend_on_the_others():
    few, many = toy(cold={"of": "users", "share": 0.1}), toy(cold={"of": "users", "share": 0.3})
    assert set(few.test.ids) < set(many.test.ids)
    for name in few.test.ids:
        row, other = few.test.ids.index(name), many.test.ids.index(name)
        assert (few.test.candidates[row] == many.test.candidates[other]).all()


def test_short_users_are_removed_after_the_core():
    data = toy(min_length=12)
    assert np.diff(data.interactions.offsets).min() >= 12
    assert data.report["of_users_below_min_length"] > 0
