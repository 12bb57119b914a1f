"""LLMEmb as a whole: what it refuses, what it trains, that it learns."""

import pytest
from pydantic import ValidationError

from baselines.hybrid.llm_emb import LLMEmb
from benchkit.errors import ConfigError
from benchkit.testing.fixtures import make_test_folder, run_context, toy_dataset
from tests.support.planted_world import (
    falls,
    learning_run,
    planted_world,
    standard_errors_above_chance,
)
from tests.support.tiny_models import tiny_backbone

pytest.importorskip("peft")
transformers = pytest.importorskip("transformers")

EXPERT = {"config": {"hidden": 8, "heads": 1, "epochs": 1}}
SMALL = {
    "backbone": tiny_backbone(),
    "train": {"epochs": 2, "max_steps": None, "gradient_checkpointing": False},
    "contrast": 16,
    "expert": EXPERT,
    "sequential": {"hidden": 8, "heads": 1, "epochs": 2},
}


def fit(dataset, settings, seed=0):
    run = learning_run(make_test_folder("run-"), dataset, seed)
    method = LLMEmb(LLMEmb.Config(**settings))
    method.fit(dataset.train_view(), run)
    return method, run


def test_the_expert_must_have_vectors_of_the_same_width():
    with pytest.raises(ValidationError, match="popularity has no item vectors"):
        LLMEmb.Config(expert={"name": "popularity"})
    with pytest.raises(ValidationError, match="vectors have 8 entries, the sequential model's 64"):
        LLMEmb.Config(expert=EXPERT)
    assert LLMEmb.Config(expert={"name": "popularity"}, alignment=0).alignment == 0


def test_a_module_that_is_not_there_stops_before_training():
    train = {**SMALL["train"], "lora": {"targets": ["no_proj"]}}
    with pytest.raises(ConfigError, match="no module named no_proj"):
        fit(toy_dataset(users=30, items=30, length=6), {**SMALL, "train": train})


def test_the_defaults_are_those_of_the_official_code():
    method = LLMEmb(LLMEmb.Config(backbone="some/model"))
    from baselines.hybrid.llm_emb import _LARGE

    data = toy_dataset(users=30, items=30, length=6)
    training = method.training_config(run_context(data.catalog), **_LARGE)
    assert (training.max_steps, training.batch_size, training.learning_rate) == (4000, 4, 2e-4)
    assert (training.lora.r, training.lora.alpha, training.lora.dropout) == (8, 32, 0.1)
    assert method.adapter_sizes(1536) == (768,)
    config = method.config
    assert (config.contrast, config.components, config.alignment) == (64, 1536, 0.01)
    assert (config.temperature, config.alignment_temperature) == (3.0, 2.0)
    assert config.soft_targets is False and config.sequential.loss == "bce"


@pytest.mark.parametrize("soft_targets", [False, True])
def test_it_trains_adapters_of_any_model(soft_targets):
    data = toy_dataset(users=30, items=30, length=6)
    method, run = fit(data, {**SMALL, "soft_targets": soft_targets})
    assert run.progress.total("scft steps") == 1  # 4 batches, 4 a step
    assert run.progress.total("epochs") == 2
    n_items = len(data.catalog)
    assert method.sasrec.vectors.shape == (n_items, min(n_items, 32))
    assert method.capabilities == {"scores", "cold_users", "cold_items"}


@pytest.mark.slow
def test_it_learns_with_nano():
    world = planted_world()
    method, run = fit(world, {})
    for stage in ("scft steps", "epochs"):
        assert falls(run.progress.of(stage))
    assert standard_errors_above_chance(method, world, run) > 3
