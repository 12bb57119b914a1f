"""Methods that learn from rewards: what they reward, training end to end, what is refused."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest

from baselines.experts import ExpertConfig
from baselines.rl.grpo import GRPO
from baselines.rl.intuitor import Intuitor
from baselines.rl.rec_r1 import RecR1
from baselines.rl.reward_recommender import RewardConfig, RewardRecommender
from baselines.rl.twice_rec import TWiCERec, collaborative_agreement
from benchkit.errors import ConfigError
from benchkit.testing.fixtures import run_context, toy_dataset
from tests.support.rollouts import TRIE, context, drawing_of, network, tasks_of
from tests.support.tiny_models import tiny_backbone

pytest.importorskip("peft")
pytest.importorskip("accelerate")

TRAIN = {"epochs": 1, "batch_size": 4, "micro_batch": 2, "gradient_checkpointing": False}
EXPERT = {"name": "sasrec", "config": {"epochs": 1, "hidden": 8, "heads": 1, "loss": "bce"}}


def settings(**more):
    return {
        "backbone": tiny_backbone(), "template": "compact", "limit_users": 8, "candidates": 5,
        "validation_cases": 4, "train": TRAIN, "sft": TRAIN, "rationale_tokens": 12, "group": 2,
        "answer_tokens": 20, **more,
    }  # fmt: skip


METHODS = [
    (GRPO, {}), (GRPO, {"constrained": True, "iterations": 2, "train": {**TRAIN, "lora": None}}),
    (TWiCERec, {"expert": EXPERT, "share": 0.5}),
    (TWiCERec, {"expert": {**EXPERT, "config": {"epochs": 1}}, "cf": "rank", "share": 1,
                "constrained": True}),
    (RecR1, {}), (Intuitor, {}), (Intuitor, {"constrained": True, "reduction": "fixed"}),
]  # fmt: skip


@pytest.mark.parametrize(("method", "more"), METHODS)
def test_a_method_trains_and_answers(tmp_path, method, more):
    dataset = toy_dataset(users=60, items=60, length=8)
    (tmp_path / "scratch").mkdir()
    run = run_context(dataset.catalog, tmp_path / "scratch", cache=tmp_path / "cache")
    recommender = method(method.Config.model_validate(settings(**more)))
    recommender.fit(dataset.train_view(), run)
    requests = list(dataset.requests(dataset.test, 0, 3))
    answers = list(recommender.predict(requests, run))
    assert all(len(answer.scores) == 20 for answer in answers)
    assert ("explains" in recommender.capabilities) == all(a.rationale is not None for a in answers)
    lines = [json.loads(s) for s in (tmp_path / "scratch/rewards.jsonl").read_text().splitlines()]
    share = more.get("share", 1)
    assert len(lines) == 8 * share / 2  # one a micro-batch that answers are drawn for
    assert all(math.isfinite(line["reward"]) for line in lines)
    if more.get("constrained"):
        assert all(line["valid"] == 1 for line in lines)
    if method is TWiCERec:
        shown = json.loads((tmp_path / "scratch/collaborative.json").read_text())
        assert 0 <= shown["others_above_threshold"] <= 1


def test_what_a_collaborative_filter_thinks():
    values = np.array([0.0, math.log(0.3 / 0.7), 1000.0, -1000.0])
    assert collaborative_agreement(values, "sigmoid") == pytest.approx([0.5, 0.3, 1.0, 0.0])
    assert collaborative_agreement(np.array([2.0, 1.0, 1.0, 0.0]), "rank") == pytest.approx(
        [1, 0.5, 0.5, 0]
    )
    assert collaborative_agreement(np.array([3.0]), "rank") == pytest.approx([0])


def test_rewards_of_the_methods(tmp_path):
    run = context(tmp_path)
    drawing = drawing_of(run, rationale=True, **TRIE)
    (task,) = tasks_of(drawing.builder, 1, rationale=True)
    right = replace(drawing.draw(network(), [task], ["k"])[0][0], item=task.target)
    wrong, broken = replace(right, item="d"), replace(right, item=None, text="b")
    grpo = GRPO(GRPO.Config(rationale=True, backbone="x", template="papers"))
    assert [grpo.make_reward([task], None, run)(task, r) for r in (right, wrong, broken)] == [
        3,
        2,
        0,
    ]
    r1 = RecR1(RecR1.Config(backbone="x", template="papers")).make_reward([task], None, run)
    assert [r1(task, r) for r in (right, wrong, broken)] == pytest.approx([1.1, 0, -2])
    own = Intuitor().make_reward([task], None, run)
    assert own(task, replace(wrong, certainty=0.7)) == 0.7


def twice_rec_rewards(tmp_path, texts, **values):
    """The rewards of answers that name target, another item, and nothing, by TWiCE-Rec."""
    run = context(tmp_path)
    drawing = drawing_of(run, rationale=True, **TRIE)
    (task,) = tasks_of(drawing.builder, 1, rationale=True)
    right = drawing.draw(network(), [task], ["k"])[0][0]
    other = next(item for item in task.request.candidates if item != task.target)
    method = TWiCERec(TWiCERec.Config(backbone="x", template="papers", **values))
    method._agreement = lambda *_: {task.request.case_id: {task.target: 0.8, other: 0.8}}
    reward = method.make_reward([task], None, run)
    answers = [replace(right, item=item, text=text) for text in texts
               for item in (task.target, other, None)]  # fmt: skip
    return [reward(task, answer) for answer in answers]


IN_ORDER, ITEM_FIRST = "<think>a</think><item>b</item>", "<item>b</item><think>a</think>"


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({}, [5.4, 2.8, 2.0, 5.4, 2.8, 2.0]),
        ({"format_reward": "strict"}, [5.4, 2.8, 2.0, 4.4, 1.8, 1.0]),
        ({"weight": 0.0}, [3.0, 2.0, 2.0, 3.0, 2.0, 2.0]),  # item match and format alone
        ({"item_weight": 4.0}, [15.6, 5.2, 2.0, 15.6, 5.2, 2.0]),
        ({"threshold": 0.9}, [3.0, 2.0, 2.0, 3.0, 2.0, 2.0]),
    ],
)
def test_rewards_of_twice_rec(tmp_path, values, expected):
    found = twice_rec_rewards(tmp_path, [IN_ORDER, ITEM_FIRST], **values)
    assert found == pytest.approx(expected)


def test_without_a_weight_no_collaborative_filter_is_trained(tmp_path):
    dataset = toy_dataset(users=60, items=60, length=8)
    (tmp_path / "scratch").mkdir()
    run = run_context(dataset.catalog, tmp_path / "scratch", cache=tmp_path / "cache")
    config = TWiCERec.Config.model_validate(
        settings(weight=0.0, share=1.0, expert={"name": "ease"})  # whose scores are no log-odds
    )
    TWiCERec(config).fit(dataset.train_view(), run)
    assert not list((tmp_path / "scratch").glob("expert-*"))
    assert not (tmp_path / "scratch" / "collaborative.json").exists()


@pytest.mark.parametrize(
    ("method", "values", "message"),
    [
        (GRPO, {"match": 0.0}, "all answers have the same"),  # titles have no form
        (GRPO, {"match": 0.0, "template": "papers", "constrained": True}, "all answers have"),
        (GRPO, {"rationale": True, "template": "titles"}, "asks for no rationale"),
        (GRPO, {"train": {**TRAIN, "max_length": 30}}, "longer than max_length = 30"),
        (GRPO, {"train": {**TRAIN, "processes": 2, "micro_batch": 1}}, "one process"),
    ],
)
def test_contradictory_settings_stop_before_training(tmp_path, method, values, message):
    dataset = toy_dataset(users=60, items=60, length=8)
    run = run_context(dataset.catalog, tmp_path / "scratch", cache=tmp_path / "cache")
    with pytest.raises(ConfigError, match=message):
        method(method.Config.model_validate(settings(**values))).fit(dataset.train_view(), run)
    assert not (tmp_path / "cache" / "sft").exists()


@pytest.mark.parametrize(
    ("config", "values", "message"),
    [
        (RewardConfig, {"group": 1}, "group"),
        (RewardConfig, {"share": 0}, "share"),
        (RewardConfig, {"clip": 1.0}, "clip"),
        (GRPO.Config, {"mach": 1.0}, "mach"),
        (TWiCERec.Config, {"expert": ExpertConfig(name="ease")}, "no probability"),
        (TWiCERec.Config, {"expert": ExpertConfig()}, "no probability"),  # a softmax's
    ],
)
def test_settings_that_make_no_sense_are_refused(config, values, message):
    with pytest.raises(ValueError, match=message):
        config.model_validate(values)
    TWiCERec.Config(expert=ExpertConfig(name="ease"), cf="rank")


def test_a_method_without_a_reward_is_refused_when_it_is_made():
    with pytest.raises(TypeError, match="abstract method make_reward"):
        RewardRecommender()
