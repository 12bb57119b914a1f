"""Methods that learn from rewards: what they reward, training end to end, what is refused."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest

from baselines.experts import ExpertConfig
from baselines.rl import rec_r1
from baselines.rl.collaborative_reward import collaborative_agreement
from baselines.rl.grpo import GRPO
from baselines.rl.intuitor import Intuitor
from baselines.rl.rec_r1 import RecR1
from baselines.rl.reward_recommender import RewardConfig, RewardRecommender
from baselines.rl.twice_rec import TWiCERec
from benchkit.errors import ConfigError
from benchkit.testing.fixtures import run_context, toy_dataset
from tests.support.reward_settings import EXPERT, TRAIN, settings, toy_run
from tests.support.rollouts import TRIE, context, drawing_of, network, tasks_of

pytest.importorskip("peft")
pytest.importorskip("accelerate")

METHODS = [
    (GRPO, {}), (GRPO, {"constrained": True, "iterations": 2, "train": {**TRAIN, "lora": None}}),
    (TWiCERec, {"expert": EXPERT, "share": 0.5}),
    (TWiCERec, {"expert": {**EXPERT, "config": {"epochs": 1}}, "cf": "rank", "share": 1,
                "constrained": True}),
    (RecR1, {"expert": EXPERT}), (RecR1, {"weight": 0.0}),
    (Intuitor, {}), (Intuitor, {"constrained": True, "reduction": "fixed"}),
]  # fmt: skip


@pytest.mark.parametrize(("method", "more"), METHODS)
def test_a_method_trains_and_answers(tmp_path, method, more):
    dataset, run = toy_run(tmp_path)
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
    if method in (TWiCERec, RecR1) and recommender.config.weight:
        shown = json.loads((tmp_path / "scratch/collaborative.json").read_text())
        assert 0 <= shown["others_above_threshold"] <= 1


@pytest.mark.parametrize(
    ("method", "more"),
    [
        (GRPO, {}),
        (TWiCERec, {"expert": EXPERT, "share": 0.5}),
        (RecR1, {"weight": 0.0, "trl": {"top_p": 0.9}, "trainer": "auto"}),
        (Intuitor, {"train": {**TRAIN, "max_steps": 1}}),
    ],
)
def test_a_method_trains_by_trl(tmp_path, method, more):
    pytest.importorskip("trl")
    dataset, run = toy_run(tmp_path)
    config = settings(**{"trainer": "trl", "answer_tokens": 8, **more})
    recommender = method(method.Config.model_validate(config))
    assert "trained on rewards by TRL" in recommender.caveats
    recommender.fit(dataset.train_view(), run)
    answers = list(recommender.predict(list(dataset.requests(dataset.test, 0, 3)), run))
    assert all(len(answer.scores) == 20 for answer in answers)
    assert tuple(run.stages) == ("sft", "reinforce")
    lines = [json.loads(s) for s in (tmp_path / "scratch/rewards.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == list(range(len(lines)))
    assert all(math.isfinite(line["reward"]) and line["tokens"] <= 8 for line in lines)


def test_auto_is_trl_where_only_trl_can_do_it():
    def trainer(**values):
        return GRPO(GRPO.Config.model_validate(values)).trl is not None

    two = {"train": {"processes": 2}}
    assert not trainer(backbone="x") and not trainer()
    assert trainer(backbone="x", **two) and trainer(backbone="x", trl={"vllm": "server"})
    assert not trainer(**two) and trainer(trainer="trl")
    assert not trainer(backbone="x", trainer="own", **two)


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
    plain = RecR1(RecR1.Config(backbone="x", template="papers", weight=0.0))
    r1 = plain.make_reward([task], None, run)
    assert [r1(task, r) for r in (right, wrong, broken)] == pytest.approx([1.1, 0, -2])
    own = Intuitor().make_reward([task], None, run)
    assert own(task, replace(wrong, certainty=0.7)) == 0.7


def test_rec_r1_adds_what_the_collaborative_filter_thinks(tmp_path, monkeypatch):
    run = context(tmp_path)
    drawing = drawing_of(run, rationale=True, **TRIE)
    (task,) = tasks_of(drawing.builder, 1, rationale=True)
    right = replace(drawing.draw(network(), [task], ["k"])[0][0], item=task.target)
    wrong, none = replace(right, item="d"), replace(right, item=None)
    table = {task.request.case_id: {task.target: 0.8, "d": 0.6}}
    monkeypatch.setattr(rec_r1, "agreement_table", lambda *_: table)
    method = RecR1(RecR1.Config(backbone="x", template="papers", weight=0.5))
    reward = method.make_reward([task], None, run)
    values = [reward(task, answer) for answer in (right, wrong, none, replace(right, text="b"))]
    assert values == pytest.approx([1.5, 0.3, 0.0, -2.0])


@pytest.mark.parametrize(
    ("method", "values", "message"),
    [
        (GRPO, {"match": 0.0}, "all answers have the same"),  # titles have no form
        (GRPO, {"match": 0.0, "template": "papers", "constrained": True}, "all answers have"),
        (GRPO, {"rationale": True, "template": "titles"}, "asks for no rationale"),
        (GRPO, {"train": {**TRAIN, "max_length": 30}}, "longer than max_length = 30"),
        (
            GRPO,
            {"train": {**TRAIN, "processes": 2, "micro_batch": 1}, "trainer": "own"},
            "one process",
        ),
        (GRPO, {"trainer": "trl", "constrained": True}, "whole vocabulary"),
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
        (GRPO.Config, {"trainer": "own", "trl": {"top_p": 0.9}}, "leave out one"),
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
