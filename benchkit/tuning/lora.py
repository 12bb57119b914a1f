"""Low-rank adapters, by peft."""

from typing import Any

from benchkit.errors import ConfigError
from benchkit.tuning.config import LoRAConfig


def is_adapted(model: Any) -> bool:
    """Whether `model` is one of peft's."""
    return hasattr(model, "peft_config") and hasattr(model, "merge_and_unload")


def with_adapter(model: Any, config: LoRAConfig) -> Any:
    """A PeftModel around `model`, which is changed: its own parameters are frozen.

    The adapter's A is drawn from PyTorch's global generator and its B is zero, so that at first it
    changes nothing. Raises ConfigError when a target is no module of the model, or the model has
    an adapter already.
    """
    from peft import LoraConfig, get_peft_model

    if is_adapted(model):
        raise ConfigError(
            "the model has an adapter already", "pass merged(model), which has it in its weights"
        )
    modules = {name.rpartition(".")[2] for name, _ in model.named_modules()}
    missing = [target for target in config.targets if target not in modules]
    if missing:
        linear = sorted(
            {n.rpartition(".")[2] for n, m in model.named_modules() if hasattr(m, "in_features")}
        )
        raise ConfigError(
            f"the model has no module named {', '.join(missing)} for LoRA",
            f"its linear modules: {', '.join(linear)}",
        )
    return get_peft_model(
        model,
        LoraConfig(
            r=config.r,
            lora_alpha=config.alpha,
            lora_dropout=config.dropout,
            target_modules=list(config.targets),
            task_type="CAUSAL_LM",
        ),
    )


def merged(model: Any) -> Any:
    """The plain model with the adapter in its weights, all of them trainable again.

    It gives what the adapted model gives, up to the rounding of the weights' dtype. A model
    without an adapter is returned as it is.
    """
    if not is_adapted(model):
        return model
    plain = model.merge_and_unload()
    for parameter in plain.parameters():
        if parameter.is_floating_point():
            parameter.requires_grad_(True)
    return plain
