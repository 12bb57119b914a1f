"""Translate the training settings into the arguments of transformers."""

import os
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
from transformers import Trainer, TrainingArguments
from transformers.training_args import OptimizerNames

from benchkit.errors import ConfigError, unknown_name_error
from benchkit.training.core.batch_sampler import StepPlan
from benchkit.training.core.config import TrainConfig
from benchkit.types import RunContext

_SCHEDULES = {"constant": "constant_with_warmup"}
_TIMEOUT = timedelta(hours=12)  # of the processes that wait while one of them validates


def training_arguments(
    model: Any,
    config: TrainConfig,
    run: RunContext,
    plan: StepPlan,
    folder: Path,
    kind: type[TrainingArguments] = TrainingArguments,
    **more: Any,
) -> Any:
    """Return the TrainingArguments of one process, which writes to `folder`.

    `kind` is their class, and `more` are arguments besides these, or in the place of these. With
    several processes, each has the device its launcher assigned and its own dropout numbers.

    Raises:
        ConfigError: The optimizer is unknown or not installed.
    """
    device, rank = torch.device(run.device), int(os.environ.get("RANK", "0"))
    distributed = config.processes > 1
    optimizer = optimizer_name(config.optimizer)
    minimum = {"min_lr_rate": config.min_lr} if config.schedule == "cosine_with_min_lr" else {}
    stream = (rank,) if distributed and rank else ()
    values: dict[str, Any] = {
        "output_dir": str(folder),
        "per_device_train_batch_size": config.micro_batch_size,
        "gradient_accumulation_steps": config.accumulation_steps,
        "max_steps": plan.total_steps,
        "learning_rate": config.learning_rate,
        "lr_scheduler_type": _SCHEDULES.get(config.schedule, config.schedule),
        "lr_scheduler_kwargs": minimum,
        "warmup_steps": round(config.warmup * plan.total_steps),
        "weight_decay": config.weight_decay,
        "max_grad_norm": config.max_grad_norm,
        "optim": optimizer,
        "seed": int(run.generator(config.purpose, "dropout", *stream).integers(2**31)),
        "use_cpu": device.type == "cpu",
        "use_cache": getattr(model.config, "use_cache", True),
        "logging_strategy": "no",
        "logging_nan_inf_filter": False,  # it would hide a loss that is not a number
        "eval_strategy": "no",
        "save_strategy": "no",
        "report_to": [],
        "disable_tqdm": True,
        "dataloader_pin_memory": False,
        "ddp_find_unused_parameters": distributed or None,  # a loss need not reach all of a model
        "ddp_broadcast_buffers": False if distributed else None,
        "ddp_timeout": int(_TIMEOUT.total_seconds()),
    }
    arguments = kind(**(values | more))
    arguments._setup_devices  # noqa: B018 - later it would overwrite what is set here
    if device.type == "cuda" and not distributed:
        arguments._n_gpu = 1  # more of them would be used by DataParallel
        arguments.__dict__["_setup_devices"] = torch.device("cuda", device.index or 0)
    return arguments


def optimizer_name(setting: str) -> str:
    """Return transformers' name of an optimizer setting.

    Raises:
        ConfigError: transformers does not know it, or its package is not installed.
    """
    name = "adamw_torch_fused" if setting == "adamw" else setting
    if name not in (known := [each.value for each in OptimizerNames]):
        raise unknown_name_error("optimizer", setting, ["adamw", *known])
    try:
        Trainer.get_optimizer_cls_and_kwargs(TrainingArguments(optim=name, use_cpu=True))
    except (ImportError, ValueError) as error:
        raise ConfigError(
            f"the optimizer {setting!r} cannot be used: {error}",
            "install the package it needs, or set optimizer = 'adamw'",
        ) from error
    return name
