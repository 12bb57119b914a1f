"""Low-rank adapters (LoRA), by peft."""

from typing import Any

from benchkit.errors import ConfigError
from benchkit.training.core.config import LoRAConfig, TrainConfig


def has_adapter(model: Any) -> bool:
    """Return whether `model` is a PeftModel."""
    return hasattr(model, "peft_config") and hasattr(model, "merge_and_unload")


def add_adapter(model: Any, config: LoRAConfig) -> Any:
    """Wrap `model` in a PeftModel and freeze its own parameters.

    Adapters go into the decoder only. A is drawn from PyTorch's global generator and B is zero, so
    that at first the adapter changes nothing.

    Raises:
        ConfigError: A target is not a module of the decoder, or the model already has an adapter.
    """
    from peft import LoraConfig, get_peft_model

    if has_adapter(model):
        raise ConfigError("the model already has an adapter", "pass merge_adapter(model)")
    _check_targets(model, config)
    decoder = {id(module) for module in model.get_decoder().modules()}
    outside = [name for name, module in model.named_modules() if id(module) not in decoder]
    return get_peft_model(
        model,
        LoraConfig(
            r=config.r,
            lora_alpha=config.alpha,
            lora_dropout=config.dropout,
            target_modules=list(config.targets),
            # A vision tower has modules of the same names, and never gets a gradient.
            exclude_modules=[n for n in outside if _last(n) in config.targets] or None,
            task_type="CAUSAL_LM",
        ),
    )


def check_adapters(model: Any, *trainings: TrainConfig) -> None:
    """Raise ConfigError if an adapter of one of the trainings does not fit the model."""
    for training in trainings:
        if training.lora is not None:
            _check_targets(model, training.lora)


def _check_targets(model: Any, config: LoRAConfig) -> None:
    modules = [(_last(name), module) for name, module in model.get_decoder().named_modules()]
    missing = [target for target in config.targets if target not in dict(modules)]
    if missing:
        linear = sorted({name for name, module in modules if hasattr(module, "in_features")})
        raise ConfigError(
            f"the model has no module named {', '.join(missing)} for LoRA",
            f"its linear modules: {', '.join(linear)}",
        )


def _last(name: str) -> str:
    return name.rpartition(".")[2]


def merge_adapter(model: Any) -> Any:
    """Return the plain model with the adapter merged into its weights, all trainable again.

    It computes what the adapted model computes, up to the rounding of the weights' dtype. A model
    without an adapter is returned as it is.
    """
    if not has_adapter(model):
        return model
    plain = model.merge_and_unload()
    for parameter in plain.parameters():
        if parameter.is_floating_point():
            parameter.requires_grad_(True)
    return plain
