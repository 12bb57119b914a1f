"""Training: what changes, what comes out, what is left behind."""

import logging
import os
import random
import warnings
from importlib.util import find_spec

import numpy as np
import pytest

from benchkit.errors import ConfigError, DataError, MethodError
from benchkit.training.core.config import LoRAConfig, TrainConfig
from benchkit.training.core.examples import Example, collate
from benchkit.training.core.lora import merge_adapter
from benchkit.training.core.weights import BestCheckpoint, last_checkpoint
from benchkit.training.sft import SFTObjective, load_or_train_sft, train_sft
from tests.support.tiny_training import (
    FAST,
    Stages,
    context,
    examples,
    model,
    same,
    scripted,
    torch,
    weights,
)

pytest.importorskip("peft")
pytest.importorskip("accelerate")


def close(first, second, **tolerance):
    one, two = weights(first), weights(second)
    for name in one:
        torch.testing.assert_close(one[name], two[name], **tolerance)


# Learning


@pytest.mark.parametrize("kind", ["Qwen3", "Llama"])
def test_one_batch_is_learnt_by_heart(tmp_path, kind):
    data, config = examples(4), TrainConfig(**FAST, epochs=60, schedule="constant")
    trained = train_sft(model(kind), data, config, context(tmp_path))
    objective, batch = SFTObjective(), collate(data)
    assert float(objective.loss(trained, batch)) / objective.normalizer(batch) < 0.05


def test_micro_batches_make_the_same_step(tmp_path):
    # Not Adam: it would blow the rounding of vanishing gradients up.
    whole = {**FAST, "optimizer": "sgd", "learning_rate": 0.1, "batch_size": 8, "epochs": 3}
    data = examples(19)  # the last batch has three
    one = train_sft(model(), data, TrainConfig(**whole), context(tmp_path / "1"))
    four = TrainConfig(**whole, micro_batch=2)
    close(train_sft(model(), data, four, context(tmp_path / "4")), one, atol=1e-6, rtol=0)
    assert not same(one, model())


def test_micro_batches_by_tokens_make_the_same_step(tmp_path):
    whole = {**FAST, "optimizer": "sgd", "learning_rate": 0.1, "batch_size": 8, "epochs": 3}
    data = examples(19)
    one = train_sft(model(), data, TrainConfig(**whole), context(tmp_path / "1"), validation=data)
    parts = TrainConfig(**whole, micro_batch_tokens=30)
    other = train_sft(model(), data, parts, context(tmp_path / "2"), validation=data)
    close(other, one, atol=1e-6, rtol=0)


def test_weights_are_shares_of_a_batch(tmp_path):
    config = TrainConfig(**{**FAST, "optimizer": "sgd", "learning_rate": 0.1, "epochs": 1})
    first, second, third = examples(3)
    half = Example(first.prompt, first.response, weight=0.5)
    one = train_sft(model(), [first, second, third], config, context(tmp_path / "1"))
    two = train_sft(model(), [half, half, second, third], config, context(tmp_path / "2"))
    close(two, one, atol=1e-6, rtol=0)


def test_gradient_checkpointing_changes_nothing(tmp_path):
    plain = train_sft(model(), examples(), TrainConfig(**FAST), context(tmp_path / "1"))
    config = TrainConfig(**FAST, gradient_checkpointing=True)
    trained = train_sft(model(), examples(), config, context(tmp_path / "2"))
    close(trained, plain, atol=1e-6, rtol=1e-5)
    assert not any(getattr(m, "gradient_checkpointing", False) for m in trained.modules())


@pytest.mark.parametrize("schedule", ["linear", "constant", "cosine_with_min_lr"])
def test_every_schedule_runs(tmp_path, schedule):
    config = TrainConfig(schedule=schedule, epochs=1, group_by_length=True, max_grad_norm=0)
    assert not same(train_sft(model(), examples(), config, context(tmp_path)), model())


def test_bfloat16_keeps_the_parameters_in_float32(tmp_path):
    config = TrainConfig(**FAST, precision="bfloat16", epochs=20)
    run = context(tmp_path)
    trained = train_sft(model(), examples(4), config, run)
    assert {value.dtype for value in weights(trained).values()} == {torch.float32}
    losses = [float(note.split()[1]) for note in run.progress.notes]
    assert losses[-1] < losses[0] / 2


def test_the_seed_alone_decides(tmp_path):
    config = TrainConfig(**FAST, epochs=2, lora=LoRAConfig(dropout=0.3))

    def trained(seed, folder):
        torch.manual_seed(seed + 7)  # a global generator must not matter
        return train_sft(model(), examples(), config, context(tmp_path / folder, seed))

    first = trained(0, "a")
    assert same(trained(0, "b"), first)
    assert not same(trained(1, "c"), first)


# Adapters


def test_a_new_adapter_changes_nothing(tmp_path):
    # A rate at which no step is felt shows the model as it is before the first.
    config = TrainConfig(epochs=1, learning_rate=1e-30, lora=LoRAConfig(dropout=0.1))
    trained = train_sft(model(), examples(), config, context(tmp_path))
    ids = collate(examples())["input_ids"]
    torch.testing.assert_close(trained(ids).logits, model()(ids).logits, atol=0, rtol=0)


def test_only_the_adapter_learns(tmp_path):
    config = TrainConfig(**FAST, epochs=2, lora=LoRAConfig(targets=("q_proj", "down_proj")))
    trained = train_sft(model(), examples(), config, context(tmp_path))
    base = {name: value for name, value in weights(trained).items() if "lora_" not in name}
    plain = weights(model())
    assert len(base) == len(plain)
    for value, before in zip(base.values(), plain.values(), strict=True):
        assert value.equal(before)
    adapter = [value for name, value in weights(trained).items() if "lora_B" in name]
    assert len(adapter) == 4
    assert all(value.abs().sum() > 0 for value in adapter)


def test_the_adapter_is_saved_as_peft_does(tmp_path):
    from peft import PeftModel

    config = TrainConfig(**FAST, epochs=1, lora=LoRAConfig())
    trained = train_sft(model(), examples(), config, context(tmp_path))
    loaded = PeftModel.from_pretrained(model(), tmp_path / "sft" / "adapter")
    ids = collate(examples())["input_ids"]
    torch.testing.assert_close(loaded(ids).logits, trained(ids).logits, atol=0, rtol=0)


def test_a_merged_adapter_gives_the_same_and_can_be_trained_on(tmp_path):
    config = TrainConfig(**FAST, epochs=5, lora=LoRAConfig())
    trained = train_sft(model(), examples(), config, context(tmp_path))
    ids = collate(examples())["input_ids"]
    before = trained(ids).logits.detach()
    plain = merge_adapter(trained)
    assert merge_adapter(plain) is plain
    torch.testing.assert_close(plain(ids).logits, before, atol=1e-5, rtol=0)
    assert weights(plain).keys() == weights(model()).keys()
    assert all(parameter.requires_grad for parameter in plain.parameters())
    second = TrainConfig(**FAST, epochs=1, lora=LoRAConfig(), purpose="second")
    again = train_sft(plain, examples(), second, context(tmp_path))
    with again.disable_adapter():
        torch.testing.assert_close(again(ids).logits, before, atol=1e-5, rtol=0)


def test_adapters_that_do_not_fit_are_refused(tmp_path):
    config = TrainConfig(lora=LoRAConfig(targets=("q_proj", "c_attn")))
    with pytest.raises(ConfigError, match=r"no module named c_attn[\s\S]*q_proj"):
        train_sft(model(), examples(), config, context(tmp_path))
    config = TrainConfig(**FAST, epochs=1, lora=LoRAConfig())
    adapted = train_sft(model(), examples(), config, context(tmp_path))
    with pytest.raises(ConfigError, match=r"has an adapter[\s\S]*merge_adapter"):
        train_sft(adapted, examples(), config, context(tmp_path / "2"))


# Errors


def test_examples_are_checked_before_anything_is_trained(tmp_path):
    with pytest.raises(DataError, match="no examples"):
        train_sft(model(), [], TrainConfig(), context(tmp_path))
    long = [*examples(), Example((1,) * 30, (2,), key="user 3")]
    with pytest.raises(ConfigError, match=r"example 8 \(user 3\) has 31 tokens"):
        train_sft(model(), long, TrainConfig(max_length=30), context(tmp_path))
    with pytest.raises(ConfigError, match=r"validation example 8"):
        config = TrainConfig(max_length=30)
        train_sft(model(), examples(), config, context(tmp_path), validation=long)
    assert not list(tmp_path.iterdir())


def test_an_unknown_optimizer_is_refused_with_a_suggestion(tmp_path):
    with pytest.raises(ConfigError, match=r"unknown optimizer 'adamv'[\s\S]*'adamw'"):
        train_sft(model(), examples(), TrainConfig(optimizer="adamv"), context(tmp_path))


@pytest.mark.skipif(find_spec("bitsandbytes") is not None, reason="bitsandbytes is installed")
def test_an_optimizer_that_is_not_installed_is_named(tmp_path):
    config = TrainConfig(optimizer="paged_adamw_8bit")
    with pytest.raises(ConfigError, match=r"paged_adamw_8bit[\s\S]*bitsandbytes"):
        train_sft(model(), examples(), config, context(tmp_path))


def test_a_loss_that_is_no_number_ends_the_run(tmp_path):
    config = TrainConfig(optimizer="sgd", learning_rate=1e30, warmup=0, max_grad_norm=0)
    with pytest.raises(MethodError, match="diverged"):
        train_sft(model(), examples(), config, context(tmp_path))


def test_a_validation_score_that_is_no_number_ends_the_run(tmp_path):
    validate, _ = scripted([float("nan")])
    with pytest.raises(MethodError, match="not a number"):
        train_sft(model(), examples(), TrainConfig(epochs=1), context(tmp_path), validate)


# The process and the model


def test_the_process_is_left_as_it_was(tmp_path, capfd):
    def state():
        return (
            dict(os.environ),
            random.getstate(),
            repr(np.random.get_state()),  # noqa: NPY002
            torch.get_rng_state().tolist(),
            list(warnings.filters),
            [(log.name, log.level, log.handlers[:]) for log in map(logging.getLogger, (
                "transformers", "accelerate", "peft", "huggingface_hub"))],
            torch.is_grad_enabled(),
        )  # fmt: skip

    for environment in ("LOCAL_RANK", "WORLD_SIZE"):
        os.environ[environment] = "3"  # as on a cluster; it would look for the other processes
    try:
        network, before = model(), state()
        config = TrainConfig(**FAST, epochs=2, lora=LoRAConfig(), unit="steps", checkpoint_every=1)
        train_sft(network, examples(), config, context(tmp_path), validation=examples())
        assert state() == before
    finally:
        for environment in ("LOCAL_RANK", "WORLD_SIZE"):
            del os.environ[environment]
    assert tuple(capfd.readouterr()) == ("", "")


def test_the_model_comes_back_ready_to_predict(tmp_path):
    network = model().train()
    attributes, cached = set(vars(network)), network.config.use_cache
    trained = train_sft(network, examples(), TrainConfig(**FAST, epochs=1), context(tmp_path))
    assert trained is network
    assert not trained.training
    assert trained.config.use_cache == cached
    assert set(vars(trained)) == attributes
    assert all(p.grad is None and p.requires_grad for p in trained.parameters())
    assert not trained.lm_head._forward_pre_hooks


def test_progress_counts_steps_and_tells_the_loss(tmp_path):
    run = context(tmp_path)
    train_sft(model(), examples(), TrainConfig(**FAST, epochs=2), run)
    assert isinstance(run.progress, Stages)
    assert run.progress.stages == [("sft steps", 4)]
    assert run.progress.done == 4
    assert all(note.startswith("loss ") for note in run.progress.notes)


# What was stored


@pytest.mark.parametrize("damage", ["flip", "cut", "empty", "folder", "cost"])
def test_a_damaged_result_is_trained_again(tmp_path, damage):
    config, run = TrainConfig(**FAST, epochs=1), context(tmp_path)
    first = weights(load_or_train_sft(model(), examples(4), config, run))
    (path,) = run.cache.glob("sft/*/*/trained.safetensors")
    content = path.read_bytes()
    if damage == "cost":
        cost = path.parents[1] / "seconds.json"
        cost.write_text(cost.read_text().replace('"seconds": ', '"seconds": 7'))
    elif damage == "folder":
        path.unlink()
        path.mkdir()
    else:
        cut = content[: {"cut": len(content) // 2, "empty": 0}.get(damage)]
        path.write_bytes(cut if damage != "flip" else content[:-1] + bytes([content[-1] ^ 1]))
    run.progress.stages.clear()
    again = weights(load_or_train_sft(model(), examples(4), config, run))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert path.read_bytes() == content
    assert any("is damaged" in stage for stage, _ in run.progress.stages)
    run.progress.stages.clear()
    load_or_train_sft(model(), examples(4), config, run)  # and then it is read
    assert not run.progress.stages


@pytest.mark.parametrize("name", ["optimizer.pt", "trained.safetensors", "selection.json"])
def test_a_damaged_checkpoint_is_not_gone_on_with(tmp_path, name):
    folder = tmp_path / "checkpoint-4"
    folder.mkdir()
    for file in ("optimizer.pt", "trained.safetensors"):
        (folder / file).write_bytes(bytes(100))
    BestCheckpoint().save(folder)
    log = Stages()
    assert last_checkpoint(tmp_path, log) == folder and not log.stages
    content = (folder / name).read_bytes()
    (folder / name).write_bytes(content[:-2] + b"!" + content[-1:])
    assert last_checkpoint(tmp_path, log) is None and not folder.exists()
    assert f"({name} is not what was written)" in log.stages[0][0]
