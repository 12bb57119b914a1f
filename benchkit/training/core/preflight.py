"""Check that a training fits the machine: optimizer, processes, Accelerate's configuration."""

from pathlib import Path
from typing import Any

from benchkit.errors import ConfigError
from benchkit.training.core.config import TrainConfig
from benchkit.training.core.training_context import training_context

_KINDS = ("MULTI_GPU", "DEEPSPEED")
_PRECISIONS = {"float32": ("no",), "bfloat16": ("no", "bf16")}
_STAGES = (0, 1, 2)  # under stage 3 no process has all of the weights


def check_training_config(config: TrainConfig, device: str) -> None:
    """Raise ConfigError if the settings do not fit the machine or the installed packages."""
    with training_context(device):
        from benchkit.training.core.hf_arguments import optimizer_name

        optimizer_name(config.optimizer)
    if config.processes > 1:
        _check_processes(config, device)


def _check_processes(config: TrainConfig, device: str) -> None:
    kind, _, number = device.partition(":")
    if kind not in ("cpu", "cuda") or number:
        raise ConfigError(
            f"training on {config.processes} processes cannot use device {device!r}",
            "use --device cuda with CUDA_VISIBLE_DEVICES to choose the GPUs, or --device cpu",
        )
    if kind == "cuda":
        import torch

        if (visible := torch.cuda.device_count()) < config.processes:
            raise ConfigError(
                f"training needs {config.processes} processes with a GPU each, but"
                f" {visible} can be seen",
                "lower processes, or check CUDA_VISIBLE_DEVICES",
            )
    if config.accelerate is not None:
        if kind == "cpu":
            raise ConfigError(
                "Accelerate's launcher starts several processes on GPUs only",
                "leave out accelerate on a CPU",
            )
        check_accelerate_file(config.accelerate, config)


def check_accelerate_file(path: Path, config: TrainConfig) -> None:
    """Raise ConfigError if Accelerate's file would change a step or contradicts `config`.

    The training itself computes in `config.precision`.
    """
    settings = _read_yaml(path)
    deepspeed = settings.get("deepspeed_config") or {}
    checks = {
        "distributed_type": (settings.get("distributed_type"), _KINDS),
        "num_machines": (settings.get("num_machines", 1), (1,)),
        "mixed_precision": (settings.get("mixed_precision") or "no", _PRECISIONS[config.precision]),
        "zero_stage": (deepspeed.get("zero_stage", 2), _STAGES),
        "offload_param_device": (str(deepspeed.get("offload_param_device", "none")), ("none",)),
        "deepspeed_config_file": (deepspeed.get("deepspeed_config_file"), (None,)),
        "gradient_accumulation_steps": (
            deepspeed.get("gradient_accumulation_steps", config.accumulation_steps),
            (config.accumulation_steps,),
        ),
        "gradient_clipping": (
            deepspeed.get("gradient_clipping", config.max_grad_norm),
            (config.max_grad_norm,),
        ),
    }
    for name, (value, allowed) in checks.items():
        if value not in allowed:
            expected = " or ".join(map(str, allowed))
            raise ConfigError(
                f"{path}: {name} is {value}; this training needs {expected}",
                "correct or remove the line: precision, batches and clipping are set in `train`",
            )


def _read_yaml(path: Path) -> dict[str, Any]:
    import yaml

    try:
        settings = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(f"{path}: cannot be read: {error}", "check train.accelerate") from None
    if not isinstance(settings, dict):
        raise ConfigError(
            f"{path}: not a configuration of Accelerate", "write one by `accelerate config`"
        )
    return settings
