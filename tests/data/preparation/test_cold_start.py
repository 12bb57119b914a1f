"""Cold start: who and what is withheld from training."""

from benchkit.data import sources
from benchkit.data.preparation.pipeline import prepare_dataset
from benchkit.data.spec import DatasetSpec
from benchkit.testing.fixtures import toy_dataset


def toy(**changes):
    return prepare_dataset(
        sources.read_source("toy", {}),
        DatasetSpec.model_validate(
            {"name": "toy", "source": "toy", "candidates": {"count": 10}, **changes}
        ),
    )


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
    assert set(few.test.ids) < set(many.test.ids)  # but all answers together key the candidates
