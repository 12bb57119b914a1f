"""Methods that train a language model: checks before training, and the weights' format."""

from importlib.util import find_spec

import pytest

from baselines.preference.dpo import DPO
from baselines.rl.grpo import GRPO
from benchkit.errors import ConfigError
from benchkit.testing.fixtures import run_context, toy_dataset
from tests.support.tiny_models import tiny_backbone

TRAIN = {
    "epochs": 1, "batch_size": 8, "micro_batch": 4, "learning_rate": 1e-3, "max_length": 4000,
    "lora": None, "gradient_checkpointing": False,
}  # fmt: skip
SMALL = {
    "backbone": tiny_backbone(), "template": "compact", "limit_users": 8, "candidates": 5,
    "validation_cases": 4, "sft": TRAIN,
}  # fmt: skip


@pytest.mark.parametrize("method", [DPO, GRPO])
@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"optimizer": "adamww"}, "adamww"),
        ({"optimizer": "paged_adamw_8bit"}, "bitsandbytes"),
        ({"lora": {"targets": ["q_proj", "nope"]}}, "no module named nope"),
    ],
)
def test_a_second_stage_that_cannot_be_stops_before_the_first(tmp_path, method, wrong, message):
    if message == "bitsandbytes" and find_spec(message) is not None:
        pytest.skip("it is installed")
    dataset = toy_dataset(users=60, items=60, length=8)
    run = run_context(dataset.catalog, tmp_path / "scratch", cache=tmp_path / "cache")
    own = method(method.Config.model_validate({**SMALL, "train": {**TRAIN, **wrong}}))
    with pytest.raises(ConfigError, match=message):
        own.fit(dataset.train_view(), run)
    assert not (tmp_path / "cache" / "sft").exists()


@pytest.mark.parametrize(
    ("values", "dtype"),
    [
        ({}, "float32"),  # nano
        ({"backbone": "org/model"}, "auto"),
        ({"backbone": "org/model", "sft": {"lora": None}}, "float32"),
        ({"backbone": "org/model", "train": {"lora": None}}, "float32"),
        ({"train": {"lora": {}}}, "float32"),  # nano's sft is of all weights
        ({"train": {"lora": {}}, "sft": {"lora": {}}}, "auto"),
        ({"engine": {"kind": "hf", "dtype": "bfloat16"}}, "bfloat16"),
    ],
)
def test_weights_that_are_trained_themselves_are_float32(values, dtype):
    assert DPO(DPO.Config.model_validate(values)).dtype == dtype
