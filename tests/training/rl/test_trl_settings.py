"""Settings of training on rewards by TRL: how they reach it, and what is refused."""

import pytest

from benchkit.errors import ConfigError
from benchkit.training.core.batch_sampler import StepPlan
from benchkit.training.core.config import TrainConfig
from benchkit.training.core.training_context import training_context
from benchkit.training.rl import trl_settings
from benchkit.training.rl.rollouts import GRPOSettings
from benchkit.training.rl.trl_objective import TRLObjective
from benchkit.training.rl.trl_settings import TRLSettings, check_trl
from tests.support.rollouts import FREE, context, drawing_of, network, tasks_of
from tests.support.trl_training import FAST, letters, trainer_of

pytest.importorskip("trl")
pytest.importorskip("peft")
pytest.importorskip("accelerate")


def test_settings_become_those_of_trl(tmp_path, monkeypatch):
    trl = TRLSettings(top_p=0.9, top_k=7, clip_high=0.28, scale_rewards="none", unbiased_kl=True)
    settings = {
        "batch_size": 4, "micro_batch": 2, "learning_rate": 3e-4, "schedule": "cosine_with_min_lr",
        "warmup": 0.5, "epochs": 4,
    }  # fmt: skip
    with training_context("cpu"):
        args = trainer_of(tmp_path, settings=settings, trl=trl, reduction="fixed").args
    assert (args.num_generations, args.per_device_train_batch_size) == (3, 6)
    assert (args.gradient_accumulation_steps, args.generation_batch_size) == (2, 12)
    assert (args.temperature, args.top_p, args.top_k) == (0.9, 0.9, 7)
    assert (args.epsilon, args.epsilon_high, args.loss_type) == (0.2, 0.28, "dr_grpo")
    assert (args.scale_rewards, args.max_completion_length) == ("none", 6)
    assert (args.learning_rate, args.warmup_steps, args.max_steps) == (3e-4, 2, 4)
    assert args.lr_scheduler_kwargs == {"min_lr_rate": 0.1}
    assert args.use_bias_correction_kl
    assert args.report_to == [] and not args.bf16 and not args.gradient_checkpointing


def test_vllm_gets_its_settings(tmp_path):
    from benchkit.training.rl.trl_trainer import grpo_arguments

    drawing = drawing_of(context(tmp_path), **FREE)
    trl = TRLSettings(vllm="server", vllm_url="http://127.0.0.1:9")
    objective = TRLObjective(tasks_of(drawing.builder), drawing, letters, trl=trl)
    config = TrainConfig(**FAST, max_length=700)
    plan = StepPlan.from_config(config, 4)
    with training_context("cpu"):
        args = grpo_arguments(network(), objective, config, drawing.run, plan, tmp_path, 5)
    assert (args.use_vllm, args.vllm_mode) == (True, "server")
    assert args.vllm_server_base_url == "http://127.0.0.1:9"
    assert args.vllm_max_model_length == 700
    assert args.generation_kwargs == {"stop_token_ids": [5], "ignore_eos": True}


@pytest.mark.parametrize(
    ("trl", "policy", "training", "message"),
    [
        ({}, {"constrained": True}, {}, "whole vocabulary"),
        ({}, {"eps": 1e-6}, {}, "0.0001"),
        ({}, {}, {"batch_size": 6, "micro_batch": 2, "processes": 2}, "no multiple"),
        ({"vllm": "colocate"}, {}, {}, "needs vllm"),
    ],
)
def test_what_trl_cannot_do_is_refused(monkeypatch, tmp_path, trl, policy, training, message):
    real = trl_settings.find_spec
    monkeypatch.setattr(
        trl_settings, "find_spec", lambda name: None if name == "vllm" else real(name)
    )
    backbone = type("B", (), {"tokenizer": drawing_of(context(tmp_path)).builder.tokenizer})
    config = TrainConfig(**{"batch_size": 4, **training})
    with pytest.raises(ConfigError, match=message):
        check_trl(TRLSettings(**trl), GRPOSettings(**policy), config, backbone, False)
    check_trl(TRLSettings(), GRPOSettings(), TrainConfig(), backbone, False)


def test_a_missing_or_old_trl_is_said(monkeypatch, tmp_path):
    backbone = type("B", (), {"tokenizer": drawing_of(context(tmp_path)).builder.tokenizer})
    monkeypatch.setattr(trl_settings.metadata, "version", lambda _: "1.9.1")
    with pytest.raises(ConfigError, match=r"older than 1\.16"):
        check_trl(TRLSettings(), GRPOSettings(), TrainConfig(), backbone, False)
    monkeypatch.setattr(trl_settings, "find_spec", lambda _: None)
    with pytest.raises(ConfigError, match="needs trl"):
        check_trl(TRLSettings(), GRPOSettings(), TrainConfig(), backbone, False)
