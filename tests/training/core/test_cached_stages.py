"""The stages of a training: what stops before the first one, the reference, a folder used again."""

from importlib.util import find_spec

import pytest
import torch

from baselines.preference.dpo import DPO
from baselines.rl.grpo import GRPO
from benchkit.errors import ConfigError
from benchkit.testing.recommenders import run_context, toy_dataset
from benchkit.training.core.cached_stages import add_reference_logprobs
from benchkit.training.core.config import LoRAConfig, TrainConfig
from benchkit.training.core.lora import add_adapter
from benchkit.training.core.training_context import autocast, training_context
from benchkit.training.core.training_run import train_on_objective
from benchkit.training.preference.loss_spec import PreferenceExample, PreferenceLoss, constant_beta
from benchkit.training.preference.objective import PreferenceObjective
from tests.support.tiny_models import tiny_backbone, tiny_model
from tests.support.tiny_training import context

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


def preferences() -> list[PreferenceExample]:
    generator = torch.Generator().manual_seed(0)
    draw = lambda n: tuple(torch.randint(3, 300, (n,), generator=generator).tolist())  # noqa: E731
    return [PreferenceExample(str(n), draw(30), (draw(40), draw(50)), (1, 1)) for n in range(3)]


def test_the_reference_is_what_the_training_s_first_step_says(tmp_path):
    """In bfloat16, too: it must be computed as the policy is."""
    model, run = tiny_model("qwen3"), context(tmp_path)
    run.cache.mkdir(exist_ok=True)
    objective = PreferenceObjective(PreferenceLoss("logistic", constant_beta(0.1)))
    with training_context("cpu"):
        said = {
            precision: add_reference_logprobs(model, preferences()[:1], objective, precision, run)
            for precision in ("bfloat16", "float32")
        }
        assert said["bfloat16"][0].reference != said["float32"][0].reference
        for precision, (example,) in said.items():
            batch = objective.collate([example])
            with torch.no_grad(), objective.context(model), autocast(precision, "cpu"):
                policy = objective.responses(model, batch).policy
            assert torch.equal(policy, batch["reference"])


def test_a_folder_is_not_gone_on_with_under_another_loss(tmp_path):
    run = context(tmp_path)
    config = TrainConfig(epochs=2, batch_size=3, learning_rate=1e-2, purpose="preference")

    def trained(beta: float, about: object) -> torch.Tensor:
        objective = PreferenceObjective(
            PreferenceLoss("logistic", constant_beta(beta), reference=False)
        )
        with training_context("cpu"):
            model = train_on_objective(
                tiny_model("qwen3"), preferences(), objective, config, run, about=about
            )
        return torch.cat([p.detach().flatten() for p in model.parameters()])

    first = trained(0.1, "beta .1")
    assert torch.equal(trained(5.0, "beta .1"), first)  # what had ended is read
    assert not torch.equal(trained(5.0, "beta 5"), first)


def test_adapters_are_put_into_the_decoder_alone():
    model = add_adapter(tiny_model("gemma3-vision"), LoRAConfig())
    trained = [name for name, p in model.named_parameters() if p.requires_grad]
    assert len(trained) == 2 * 2 * 7
    assert all("language_model" in name for name in trained)
    with pytest.raises(ConfigError, match="no module named out_proj"):  # the vision tower has one
        add_adapter(tiny_model("gemma3-vision"), LoRAConfig(targets=("out_proj",)))
