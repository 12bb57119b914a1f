"""Splits by hand, on toy data, and with parameters."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchkit.config.loading import validate_model
from benchkit.data import sources
from benchkit.data.preparation.cache import identify_dataset
from benchkit.data.preparation.pipeline import prepare_dataset
from benchkit.data.spec import DatasetSpec
from benchkit.data.splits.adherence import AdherenceSplitter
from benchkit.data.splits.base import TEST, TRAIN, VALID
from benchkit.data.splits.leave_one_out import LeaveOneOutSplitter
from benchkit.data.splits.lookup import SPLITS, make_splitter
from benchkit.data.splits.rating_aware import AvoidanceSplitter, RatingAwareSplitter
from benchkit.data.splits.temporal import TemporalSplitter
from benchkit.errors import ConfigError, DataError
from benchkit.rating_scale import DISLIKED_STARS, LIKED_STARS
from benchkit.types import Interactions

OFFSETS = np.array([0, 8, 11])
RATING = np.array([5, 1, 3, 4, 2, 5, 1, 4, 5, 5, 1], dtype=np.float32)


def interactions(offsets=OFFSETS, rating=None, timestamp=None):
    codes = np.zeros(offsets[-1], dtype=np.int32)
    return Interactions(codes, codes, offsets, rating=rating, timestamp=timestamp)


RATED = interactions(rating=RATING)


def toy(**changes):
    return prepare_dataset(
        sources.read_source("toy", {}),
        DatasetSpec.model_validate(
            {"name": "toy", "source": "toy", "candidates": {"count": 10}, **changes}
        ),
    )


@given(st.lists(st.integers(1, 6), min_size=1, max_size=20))
def test_every_row_has_one_part(counts):
    offsets = np.concatenate([[0], np.cumsum(counts)])
    split = LeaveOneOutSplitter().split(interactions(offsets))
    assert (split.part == 2).sum() == sum(c >= 2 for c in counts) == len(split.test.target)
    assert (split.part == 1).sum() == sum(c >= 3 for c in counts) == len(split.valid.target)


def test_temporal_by_hand():
    offsets = np.array([0, 4, 10])
    time = np.array([1, 2, 9, 10, 3, 4, 5, 6, 7, 8])
    split = TemporalSplitter().split(interactions(offsets, timestamp=time))
    # The cuts stand at the 9th and at the 10th of the ordered times.
    assert split.part.tolist() == [0, 0, 1, 2, 0, 0, 0, 0, 0, 0]
    assert split.valid.target.tolist() == [2]
    assert split.test.target.tolist() == split.test.stop.tolist() == [3]


def test_temporal_never_learns_from_the_future():
    data = toy(split="temporal")
    time = data.interactions.timestamp
    assert time[data.part == TRAIN].max() < time[data.part == VALID].min()
    assert time[data.part == VALID].max() < time[data.part == TEST].min()
    share = np.bincount(data.part) / len(data.part)
    np.testing.assert_allclose(share, [0.8, 0.1, 0.1], atol=0.02)
    assert len(set(data.test.ids)) == len(data.test)
    for request in data.requests(data.test):
        assert request.history


def test_rating_aware_asks_for_liked_items_only():
    split = RatingAwareSplitter().split(RATED)
    assert split.test.target.tolist() == [7]  # the second user's last item is rated 1
    assert split.valid.target.tolist() == [9]  # the first user's next to last is rated 1
    assert split.part.tolist() == [0] * 6 + [1, 2, 0, 1, 2]
    assert split.funnel["users_whose_last_item_is_not_liked"] == 1
    data = toy(split="rating-aware")
    assert (data.interactions.rating[data.test.stop] >= LIKED_STARS).all()
    low = [e for r in data.requests(data.test) for e in r.history if e.rating <= DISLIKED_STARS]
    assert low  # kept in the histories


def test_adherence_by_hand():
    split = AdherenceSplitter().split(RATED)
    # Rows 3..7 are held out; rows 3, 5 and 7 are liked: 3 is the target, 5 stands beside it.
    assert split.test.target.tolist() == [3]
    assert split.test.stop.tolist() == [3]
    assert split.test.extra_candidates.tolist() == [[5]]
    assert split.valid.target.tolist() == [2]
    assert split.part[:8].tolist() == [0, 0, 1, 2, 2, 2, 2, 2]
    assert split.funnel["users_too_short_to_ask"] == 1
    data = toy(split="adherence")
    rows = AdherenceSplitter().split(data.interactions).test
    later = data.interactions.item[rows.extra_candidates[:, 0]]
    for row, target, beside in zip(data.test.candidates, data.test.target, later, strict=True):
        assert len(set(row)) == 10
        assert target in row
        assert beside in row


def test_avoidance_asks_about_disliked_items():
    split = AvoidanceSplitter().split(RATED)
    assert split.test.target.tolist() == [10]
    data = toy(split="avoidance")
    assert (data.interactions.rating[data.test.stop] <= DISLIKED_STARS).all()


@pytest.mark.parametrize(
    ("name", "missing"),
    [("temporal", "timestamps"), ("rating-aware", "ratings"), ("adherence", "ratings")],
)
def test_splits_say_what_they_need(name, missing):
    with pytest.raises(DataError, match=f"needs {missing}"):
        make_splitter(name).split(interactions())


@pytest.mark.parametrize("name", SPLITS)
def test_every_split_keeps_its_rules(name):
    data = toy(split=name)
    split = make_splitter(name).split(data.interactions)
    for part, cases in ((VALID, split.valid), (TEST, split.test)):
        assert (split.part[cases.target] == part).all()
        users = data.interactions.user[cases.target]
        assert (cases.stop > data.interactions.offsets[users]).all()  # there is a history
        assert (cases.stop <= cases.target).all()


def test_a_split_takes_parameters():
    data = toy(split={"name": "temporal", "train_percent": 50, "valid_percent": 25})
    share = np.bincount(data.part) / len(data.part)
    np.testing.assert_allclose(share, [0.5, 0.25, 0.25], atol=0.02)
    split = make_splitter({"name": "adherence", "held_out": 3, "min_liked_rating": 5}).split(RATED)
    assert split.part[:8].tolist() == [0, 0, 0, 0, 1, 2, 2, 2]


@pytest.mark.parametrize(
    ("split", "message"),
    [
        ("tempora", "did you mean 'temporal'"),
        ({"train_percent": 50}, "split: name is missing"),
        ({"name": "temporal", "train": 1}, "train: unknown key; did you mean 'train_percent'"),
        ({"name": "temporal", "train_percent": 95}, "leave nothing to test"),
        ({"name": "leave-one-out", "n": 2}, "n: unknown key"),
        ("json:loads", "json:loads is not a split: it has no split"),
    ],
)
def test_a_wrong_split_is_refused_when_the_suite_is_read(split, message):
    values = {"name": "toy", "source": "toy", "split": split}
    with pytest.raises(ConfigError, match=f"dataset: split: .*{message}"):
        validate_model(DatasetSpec, values, "dataset")


def test_a_split_from_a_file(tmp_path):
    (tmp_path / "halves.py").write_text(SOURCE)
    data = toy(split={"name": f"{tmp_path}/halves.py:Halves", "first": 3})
    assert (data.test.stop - data.test.start == 3).all()


SOURCE = """
import numpy as np
from benchkit.data.splits.base import TEST, CaseRows, Split, Splitter

class Halves(Splitter):
    first: int = 2

    def split(self, data):
        long = np.flatnonzero(np.diff(data.offsets) > self.first)
        target = data.offsets[long] + self.first
        part = np.zeros(len(data), dtype=np.uint8)
        part[target] = TEST
        none = np.array([], dtype=np.int64)
        return Split(part, CaseRows.before_targets(none), CaseRows.before_targets(target), {})
"""


def test_the_code_of_a_split_counts_in_the_identity_of_a_dataset(tmp_path):
    file = tmp_path / "mine.py"
    code = "from benchkit.data.splits.leave_one_out import LeaveOneOutSplitter\n"
    file.write_text(code + "class Mine(LeaveOneOutSplitter):\n    share: int = 1\n")
    spec = DatasetSpec(name="toy", source="toy", split={"name": f"{file}:Mine"})
    first = identify_dataset(spec, tmp_path / "data")
    assert identify_dataset(spec, tmp_path / "data") == first
    file.write_text(code + "class Mine(LeaveOneOutSplitter):\n    share: int = 22\n")
    assert identify_dataset(spec, tmp_path / "data") != first
    assert not (tmp_path / "data").exists()
