"""RosePO: how rejected items are chosen, how labels are smoothed, end to end."""

import json
import math

import numpy as np
import pytest
import torch

from baselines.experts import ExpertConfig
from baselines.preference import hard_negatives
from baselines.preference.hard_negatives import (
    best_wrong_candidate,
    draw_popular_negatives,
    draw_similar_negatives,
    insert_negative,
)
from baselines.preference.label_smoothing import label_smoothing
from baselines.preference.rose_po import RosePO
from benchkit.lm.teachers.base import TeacherQuestion
from benchkit.lm.teachers.questions import build_training_questions
from benchkit.testing.fixtures import run_context, toy_dataset
from benchkit.training.preference.examples import Choice, Preference
from benchkit.training.preference.loss import preference_loss
from benchkit.training.preference.loss_spec import PairTerms
from benchkit.training.preference.preference_io import read_preferences
from benchkit.types import Event
from tests.support.tiny_models import tiny_backbone

HERE = torch.ones(1, 2, dtype=torch.bool)


def loss(lead: float | torch.Tensor, eps: float, beta: float = 1.0) -> torch.Tensor:
    lead = torch.as_tensor(lead, dtype=torch.float64)
    d = torch.stack([lead, torch.zeros_like(lead)])[None]
    pairs = PairTerms(beta=beta, smoothing=torch.tensor([eps], dtype=torch.float64))
    return preference_loss(d, HERE, "logistic", pairs)[0]


def test_the_loss_by_hand():
    assert loss(1.5, 0.0).item() == pytest.approx(0.2014133, abs=1e-7)  # DPO
    assert loss(1.5, 0.2).item() == pytest.approx(0.5014133, abs=1e-7)


@pytest.mark.parametrize("eps", [0.05, 0.2, 0.5])
def test_a_pair_is_pushed_apart_as_far_as_it_is_trusted(eps):
    rest = torch.tensor(math.log((1 - eps) / eps), dtype=torch.float64, requires_grad=True)
    value = loss(rest, eps)
    value.backward()
    assert rest.grad.item() == pytest.approx(0, abs=1e-12)
    assert value.item() < min(loss(rest.item() + step, eps).item() for step in (-0.1, 0.1))


def test_the_family_reads_the_smoothing_of_each_pair(tmp_path):
    recommender = RosePO(RosePO.Config(beta=1.0))
    family = recommender.make_loss(None, None)
    fields = {"eps": torch.tensor([[0.2, 0.2], [0.0, 0.0]])}
    d = torch.tensor([[1.0, -0.5], [1.0, -0.5]])
    pairs = family.pairs(fields, d, True)
    each = preference_loss(d, torch.ones(2, 2, dtype=torch.bool), family.aggregate, pairs)
    assert each.tolist() == pytest.approx([0.5014133, 0.2014133], abs=1e-6)
    family = RosePO(RosePO.Config(beta=1.0, uncertainty="margin")).make_loss(None, None)
    pairs = family.pairs(fields, d, True)
    each = preference_loss(d, torch.ones(2, 2, dtype=torch.bool), family.aggregate, pairs)
    expected = [math.log1p(math.exp(0.2 - 1.5)), 0.2014133]  # a doubtful pair must lead by more
    assert each.tolist() == pytest.approx(expected, abs=1e-6)


def test_smoothing_of_logits_and_of_other_scores():
    values = np.array([2.0, 1.0, 2.0, 1.0, 0.0, 5.0])
    assert label_smoothing(values, logits=True) == pytest.approx(1 / (1 + math.e))
    spread = np.std([2.0, 1.0, 0.0, 5.0])
    assert label_smoothing(values, logits=False) == pytest.approx(1 / (1 + math.exp(1 / spread)))
    for factor in (1e-3, 7.0):  # a scale of no meaning changes nothing
        assert label_smoothing(values * factor, False) == pytest.approx(
            label_smoothing(values, False)
        )
    assert label_smoothing(np.array([0.0, 3.0, 1.0]), True) == 0.5  # never above one half
    assert label_smoothing(np.array([0.0, 0.0, 0.0, 0.0]), False) == 0.5
    assert label_smoothing(np.array([1e9, -1e9, 0.0]), True) == pytest.approx(0.0)


def test_which_experts_give_logits():
    assert ExpertConfig(name="sasrec").gives_logits
    assert not ExpertConfig(name="item-knn").gives_logits


def test_the_best_wrong_candidate():
    own = Preference("u", (Event("x"),), ("a", "b", "c"), Choice("b"), (Choice("a"),))
    assert best_wrong_candidate(own, [1.0, 9.0, 2.0]) == "c"
    assert best_wrong_candidate(own, [1.0, 9.0, 1.0]) == "a"


@pytest.fixture(scope="module")
def view():
    return toy_dataset(users=300, items=40, length=8).train_view()


def test_popular_items_are_drawn_by_popularity(view, tmp_path):
    chosen = build_training_questions(view, candidates=5)
    user = chosen[0]  # the same user many times, so that all draws are from the same items
    counts = np.zeros(len(view.catalog))
    for seed in range(3000):
        (item,) = draw_popular_negatives([user], view, run_context(view.catalog, tmp_path, seed))
        counts[view.catalog.index[item]] += 1
    popularity = np.bincount(view.interactions.item, minlength=len(view.catalog)).astype(float)
    own = view.interactions.sequence(list(view.users).index(user.key))
    assert counts[own].sum() == 0
    popularity[own] = 0
    np.testing.assert_allclose(counts / 3000, popularity / popularity.sum(), atol=0.02)


def test_popular_items_of_a_user_who_has_nearly_all_of_them(view, tmp_path, monkeypatch):
    chosen, run = (
        build_training_questions(view, candidates=5)[:20],
        run_context(view.catalog, tmp_path),
    )
    monkeypatch.setattr(hard_negatives, "_TRIES", 0)  # the exact way alone
    exact = draw_popular_negatives(chosen, view, run)
    codes = {name: code for code, name in enumerate(view.users)}
    for question, item in zip(chosen, exact, strict=True):
        own = view.interactions.sequence(codes[question.key])
        assert view.catalog.index[item] not in own
        assert view.catalog.index[item] in view.interactions.item


def test_similar_items_are_unseen_and_near(view):
    run = run_context(view.catalog)
    expert = ExpertConfig(name="item-knn").make()
    expert.fit(view, run)
    chosen = build_training_questions(view, candidates=5, limit=40)
    near = draw_similar_negatives(chosen, expert, 1, view, run)
    wide = draw_similar_negatives(chosen, expert, 10, view, run)
    own = {user: set(view.interactions.sequence(n)) for n, user in enumerate(view.users)}
    for question, one, other in zip(chosen, near, wide, strict=True):
        assert not {view.catalog.index[one], view.catalog.index[other]} & own[question.key]
    assert near != wide
    assert near == draw_similar_negatives(chosen, expert, 1, view, run)


def test_a_rejected_item_takes_a_place_in_the_list(view):
    run = run_context(view.catalog)
    question = TeacherQuestion("u", (Event("x"),), ("a", "b", "c"), "b")
    first, second = insert_negative(question, "new", run)
    assert first.candidates == second.candidates
    assert (first.item, second.item) == ("b", "new")
    assert len(set(first.candidates)) == 3
    assert {"b", "new"} < set(first.candidates)
    assert insert_negative(question, "c", run)[0].candidates == question.candidates


SMALL = {
    "epochs": 1, "batch_size": 8, "micro_batch": 4, "learning_rate": 1e-3, "max_length": 4000,
    "lora": None, "gradient_checkpointing": False,
}  # fmt: skip
POPULARITY = {"name": "popularity"}


@pytest.mark.parametrize(
    "more",
    [
        {"expert": {"name": "sasrec", "config": {"epochs": 1, "hidden": 8, "heads": 1}}},
        {"rejected": "self_hard", "eps": 0.1, "rationale": True},
        {"rejected": "similar", "expert": POPULARITY},
        {"rejected": "popular", "expert": POPULARITY},
    ],
    ids=["self_hard", "rationale", "similar", "popular"],
)
def test_it_trains_and_answers(tmp_path, more):
    dataset = toy_dataset(users=60, items=60, length=8)
    view, folder = dataset.train_view(), tmp_path / "a"
    settings = {
        "backbone": tiny_backbone(), "template": "compact", "limit_users": 12, "candidates": 8,
        "validation_cases": 4, "train": SMALL, "sft": SMALL, "rationale_tokens": 8, **more,
    }  # fmt: skip

    def answered(folder, **given):
        run = run_context(dataset.catalog, folder, cache=tmp_path / "cache")
        folder.mkdir()
        recommender = RosePO(RosePO.Config.model_validate({**settings, **given}))
        recommender.fit(view, run)
        requests = list(dataset.requests(dataset.test, 0, 3))
        return [answer.scores for answer in recommender.predict(requests, run)]

    scores = answered(folder)
    assert np.isfinite(scores).all()
    found = read_preferences(folder / "preferences.jsonl")
    assert len(found) == 12
    for own in found:
        (rejected,) = own.rejected
        assert rejected.item != own.chosen.item
        assert {rejected.item, own.chosen.item} <= set(own.candidates)
        assert (rejected.rationale is not None) == bool(more.get("rationale"))
    lines = (folder / "steps.jsonl").read_text().splitlines()
    assert abs(json.loads(lines[0])["margin"][0]) < 1e-3
    if more.get("rejected") != "similar":
        return
    again = answered(tmp_path / "b", preferences=str(folder / "preferences.jsonl"))
    assert again == scores


def test_its_own_mistakes_are_those_of_the_fine_tuned_model(tmp_path):
    """What is rejected is what the model, as it is after fine-tuning, scores highest."""
    dataset = toy_dataset(users=60, items=60, length=8)
    run = run_context(dataset.catalog, tmp_path, cache=tmp_path / "cache")
    settings = {
        "backbone": tiny_backbone(), "template": "compact", "limit_users": 6, "candidates": 8,
        "validation_cases": 2, "train": SMALL, "sft": SMALL, "eps": 0.0,
    }  # fmt: skip
    recommender, asked = RosePO(RosePO.Config.model_validate(settings)), []
    inner = recommender.rewrite_preferences

    def watched(found, model, backbone, data, run):
        answerer = recommender.make_predictor(recommender.engine(model, backbone))
        answers = list(answerer.predict([own.request for own in found], run))
        asked.extend(
            (own, answer.scores, own.rejected[0].item)
            for own, answer in zip(found, answers, strict=True)
        )
        return inner(found, model, backbone, data, run)

    recommender.rewrite_preferences = watched
    recommender.fit(dataset.train_view(), run)
    found = read_preferences(tmp_path / "preferences.jsonl")
    assert [own.rejected[0].item for own in found] == [
        best_wrong_candidate(own, values) for own, values, _ in asked
    ]
    assert [own.rejected[0].item for own in found] != [drawn for *_, drawn in asked]


def test_settings_that_make_no_sense_are_refused():
    with pytest.raises(ValueError, match="negatives"):
        RosePO.Config(negatives=2)
    with pytest.raises(ValueError, match="eps"):
        RosePO.Config(eps=0.6)
