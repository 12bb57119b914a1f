"""Experts: any recommender that scores can be one, and what a run's identity holds of it."""

import math
from dataclasses import replace

import numpy as np
import pytest

from baselines.experts import ExpertConfig, expert_scores
from baselines.preference.eapo import EAPO
from benchkit import cards, fingerprint
from benchkit.errors import MethodError
from benchkit.source_hash import hash_sources
from benchkit.testing.fixtures import run_context, toy_dataset
from benchkit.training.preference.examples import Choice, Preference
from benchkit.types import Prediction

MINE = """
class Mine:
    capabilities = frozenset({%s})
    def fit(self, data, run):
        self.lengths = {item: len(item) for item in data.catalog.ids}
        (run.scratch / "mine").write_text("x")
    def predict(self, requests, run):
        from benchkit.types import Prediction
        for r in requests:
            yield Prediction(r.case_id, [float(self.lengths[item]) for item in r.candidates])
"""


@pytest.fixture(scope="module")
def dataset():
    return toy_dataset(users=40, items=120, length=8)


def mine(tmp_path, able='"scores"', name="mine.py"):
    (tmp_path / name).write_text(MINE % able)
    return f"{tmp_path / name}:Mine"


def fields(expert, dataset, tmp_path):
    """The expert's scores of a preference whose items have ids of one, two and three digits."""
    recommender = EAPO(EAPO.Config(expert=expert))
    ids = ("i5", "i50", "i105")
    request = next(dataset.requests(dataset.test, 0, 1))
    own = Preference("u", request.history, ids, Choice(ids[0]), (Choice(ids[1]), Choice(ids[2])))
    run = run_context(dataset.catalog, tmp_path)
    (row,) = recommender.fields([own], dataset.train_view(), run)
    return row["expert"]


def test_a_file_of_the_users_is_an_expert(tmp_path, dataset):
    expert = {"name": mine(tmp_path)}
    assert fields(expert, dataset, tmp_path) == (2.0, 3.0, 4.0)
    assert not (tmp_path / "mine").exists()
    assert len(list(tmp_path.glob("expert-*/mine"))) == 1  # files apart from the method's own


def test_methods_of_the_catalog_are_experts(tmp_path, dataset):
    popular = fields({"name": "popularity"}, dataset, tmp_path)
    view = dataset.train_view()
    counts = np.bincount(view.interactions.item, minlength=len(view.catalog))
    expected = [counts[view.catalog.index[item]] for item in ("i5", "i50", "i105")]
    assert np.argsort(popular).tolist() == np.argsort(expected).tolist()
    assert ExpertConfig() == ExpertConfig(name="sasrec")
    assert ExpertConfig(name="recbole/GRU4Rec").fingerprint["config"]["model"] == "GRU4Rec"


def test_who_gives_no_scores_is_no_expert(tmp_path):
    with pytest.raises(ValueError, match="gives no scores"):
        ExpertConfig(name=mine(tmp_path, '"samples"', "silent.py"))
    with pytest.raises(ValueError, match="did you mean 'sasrec'"):
        ExpertConfig(name="sasrek")
    with pytest.raises(ValueError, match="takes no hyper-parameters"):
        ExpertConfig(name=mine(tmp_path), config={"epochs": 1})


def test_a_request_without_scores_stops():
    class Silent:
        def predict(self, requests, run):
            yield from (Prediction(r.case_id, None, status="error") for r in requests)

    dataset = toy_dataset(users=40, items=120, length=8)
    with pytest.raises(MethodError, match="no scores for"):
        list(expert_scores(Silent(), list(dataset.requests(dataset.test, 0, 1)), None))


def test_the_identity_of_a_run_holds_code_packages_and_settings(tmp_path):
    def known(**expert):
        card = cards.find_card("eapo")
        return fingerprint.canonical_settings(cards.build_config(card, {"expert": expert}))[
            "expert"
        ]["fingerprint"]

    plain = known(name="sasrec")
    assert plain["packages"].keys() == set(cards.find_card("sasrec").packages)
    assert plain["config"]["hidden"] == cards.build_config(cards.find_card("sasrec"), {}).hidden
    assert known(name="sasrec", config={"hidden": 16})["config"]["hidden"] == 16
    assert plain["code"] == hash_sources(*cards.find_source_files(cards.find_card("sasrec")))
    assert len({known(name=n)["code"] for n in ("sasrec", "ease", mine(tmp_path))}) == 3


LEARNS = """
class Mine:
    capabilities = frozenset({"scores"})
    def fit(self, data, run):
        self.data = data
    def predict(self, requests, run):
        return iter(())
"""


def learnt_from(tmp_path, view, seed=0, **expert):
    """The interactions that an expert is fitted on: item codes user by user."""
    (tmp_path / "learns.py").write_text(LEARNS)
    config = ExpertConfig(name=f"{tmp_path / 'learns.py'}:Mine", **expert)
    fitted = config.fit_expert(view, run_context(view.catalog, tmp_path, seed=seed)).data
    assert fitted.validation is view.validation and fitted.users is view.users
    rows = fitted.interactions
    np.testing.assert_array_equal(rows.user, np.repeat(np.arange(40), np.diff(rows.offsets)))
    return rows, [rows.sequence(user).tolist() for user in range(len(view.users))]


def is_subsequence(few, many):
    rest = iter(many)
    return all(item in rest for item in few)


def test_an_expert_can_learn_from_a_share_of_the_interactions(tmp_path, dataset):
    view = dataset.train_view()
    full = [view.interactions.sequence(user).tolist() for user in range(40)]
    assert learnt_from(tmp_path, view)[1] == full
    rows, half = learnt_from(tmp_path, view, share=0.5)
    _, most = learnt_from(tmp_path, view, share=0.75)
    assert all(map(is_subsequence, half, most)) and all(map(is_subsequence, most, full))
    for share, sampled in ((0.5, half), (0.75, most)):
        for items, whole in zip(sampled, full, strict=True):
            wanted = share * len(whole)
            assert math.floor(wanted) <= len(items) <= max(2, math.ceil(wanted))
    total = sum(map(len, full))
    assert abs(sum(map(len, most)) / total - 0.75) < 0.05
    # Ratings and times stay with their interactions.
    whole = view.interactions
    rated = set(zip(whole.user.tolist(), whole.item.tolist(), whole.rating.tolist(), strict=True))
    assert rated >= set(
        zip(rows.user.tolist(), rows.item.tolist(), rows.rating.tolist(), strict=True)
    )
    assert len(rows.timestamp) == len(rows)


def test_the_seed_draws_the_share_and_two_interactions_stay(tmp_path, dataset):
    view = dataset.train_view()
    first = learnt_from(tmp_path, view, share=0.5)[1]
    assert learnt_from(tmp_path, view, share=0.5)[1] == first
    assert learnt_from(tmp_path, view, seed=1, share=0.5)[1] != first
    assert {len(items) for items in learnt_from(tmp_path, view, share=0.01)[1]} == {2}
    single = replace(
        view.interactions,
        user=np.arange(40, dtype=np.int32),
        item=view.interactions.item[:40],
        rating=None,
        timestamp=None,
        offsets=np.arange(41),
    )
    shortest = learnt_from(tmp_path, replace(view, interactions=single), share=0.5)[1]
    assert {len(items) for items in shortest} == {1}


@pytest.mark.parametrize("share", [0, -0.5, 1.5])
def test_a_share_is_between_nothing_and_all(share):
    with pytest.raises(ValueError, match="share"):
        ExpertConfig(share=share)


def test_the_share_is_part_of_the_identity_of_a_run():
    card = cards.find_card("eapo")

    def known(**expert):
        return fingerprint.canonical_settings(cards.build_config(card, {"expert": expert}))

    assert known() != known(share=0.5) != known(share=0.75)
    assert known(share=1.0) == known()
