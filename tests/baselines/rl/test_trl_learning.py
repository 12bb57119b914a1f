"""Three steps by TRL on each method's rewards, after which its answers earn more."""

import json

import pytest

from tests.support.reward_runs import METHODS, prepare_training

pytest.importorskip("trl")
pytest.importorskip("peft")
pytest.importorskip("accelerate")


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    """The fine-tuned model that most of them start from."""
    return tmp_path_factory.mktemp("cache")


@pytest.mark.slow
@pytest.mark.parametrize("name", METHODS)
def test_the_mean_reward_rises(name, tmp_path, cache):
    training = prepare_training(name, tmp_path, cache, trainer="trl")
    assert len(training.tasks) == 8 and training.method.trl is not None
    before = training.mean_reward(training.model)
    model = training.train(trl=True, name="by-trl")
    assert training.mean_reward(model) > before


@pytest.mark.slow
def test_the_settings_of_a_suite_reach_trl(tmp_path, cache):
    """By the method itself, with validation and the log of rewards."""
    from benchkit import cards
    from benchkit.testing.fixtures import run_context
    from tests.support.planted_world import planted_world
    from tests.support.reward_runs import BASE, STEPS
    from tests.support.tiny_models import tiny_backbone

    world, card = planted_world(users=200, items=40, length=6), cards.find_card("grpo")
    config = {
        **BASE, "backbone": tiny_backbone(), "trainer": "trl", "trl": {"top_p": 0.95},
        "train": {**STEPS, "max_steps": 2, "lora": {"r": 4}},
    }  # fmt: skip
    method = cards.construct_recommender(card, cards.build_config(card, config))
    run = run_context(world.catalog, tmp_path, cache=cache)
    method.fit(world.train_view(), run)
    lines = [json.loads(line) for line in (tmp_path / "rewards.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [0, 1] and lines[0]["reward"] > 0
    assert list(tmp_path.glob("reinforce/*/adapter/adapter_config.json"))
    answers = list(method.predict(list(world.requests(world.test, 0, 3)), run))
    assert all(len(answer.scores) == 20 for answer in answers)
