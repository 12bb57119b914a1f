"""Cold start: who and what is withheld from training, whatever the split."""

import numpy as np
import pytest

from benchkit.data import sources
from benchkit.data.preparation.pipeline import prepare_dataset
from benchkit.data.spec import DatasetSpec

SPLITS = ("leave-one-out", "temporal", "rating-aware")


def toy(**changes):
    return prepare_dataset(
        sources.read_source("toy", {}),
        DatasetSpec.model_validate(
            {"name": "toy", "source": "toy", "candidates": {"count": 10}, **changes}
        ),
    )


@pytest.mark.parametrize("split", SPLITS)
def test_cold_users_are_absent_from_training_and_alone_are_asked(split):
    data, whole = toy(split=split, cold={"of": "users", "share": 0.2}), toy(split=split)
    view = data.train_view()
    users = set(data.test.user.tolist())
    assert data.report["cold_users"] == 40
    assert 0 < len(users) <= 40
    assert not users & set(view.interactions.user.tolist())
    assert not users & set(data.valid.user.tolist())
    assert not users & {view.users.index(case.request.user) for case in view.validation}
    # All others learn and validate as ever; of the cold ones everything that was asked is asked.
    assert len(view.interactions) + data.report["rows_withheld"] >= len(
        whole.train_view().interactions
    )
    assert set(data.test.ids) == {
        case for case, user in zip(whole.test.ids, whole.test.user, strict=True) if user in users
    }


@pytest.mark.parametrize("split", SPLITS)
def test_cold_items_are_absent_from_training_and_so_are_their_rivals(split):
    data, whole = toy(split=split, cold={"of": "items", "share": 0.4}), toy(split=split)
    trained = set(data.train_view().interactions.item.tolist())
    assert data.report["cold_items"] == 48
    assert 0 < len(data.test) < len(whole.test)
    assert not trained & set(data.test.candidates.ravel().tolist())
    cold = set(range(len(data.catalog))) - trained
    assert set(data.test.candidates.ravel().tolist()) <= cold
    assert set(data.valid.target.tolist()) & trained
    assert data.test.candidates.shape[1] == whole.test.candidates.shape[1] == 10


@pytest.mark.parametrize("split", SPLITS)
def test_histories_of_cold_users_are_in_the_questions(split):
    whole, data = toy(split=split), toy(split=split, cold={"of": "users", "share": 0.3})
    lengths = dict(zip(whole.test.ids, (whole.test.stop - whole.test.start).tolist(), strict=True))
    for request in data.requests(data.test):
        assert len(request.history) == lengths[request.case_id] > 0


def test_a_temporal_split_withholds_what_came_before_the_test():
    whole, data = toy(split="temporal"), toy(split="temporal", cold={"of": "items", "share": 0.3})
    rows = data.interactions
    cold = np.isin(rows.item, np.unique(data.test.candidates))
    assert cold[data.part == 0].sum() == 0 < cold[whole.part == 0].sum()
    np.testing.assert_array_equal(data.part[~cold], whole.part[~cold])
    # What is asked is later than all that is learnt.
    targets = rows.timestamp[data.part == 2]
    assert rows.timestamp[data.part == 0].max() < targets.min()


@pytest.mark.parametrize("split", SPLITS)
def test_the_withheld_do_not_depend_on_the_others(split):
    few = toy(split=split, cold={"of": "users", "share": 0.1})
    many = toy(split=split, cold={"of": "users", "share": 0.3})
    assert set(few.test.ids) < set(many.test.ids)  # but all answers together key the candidates
