"""Weights loaded whole, in a data type that the device has.

transformers initialises what a checkpoint lacks at random, and peft leaves out what does not fit,
both with a warning: a benchmark would measure noise.
"""

import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from benchkit.errors import ConfigError
from benchkit.files.hub_cache import cached_commit

_SHOWN = 3  # names of tensors in a message


def load_whole_model(
    load: Callable[..., Any], source: str | Path, name: str, **options: Any
) -> Any:
    """Load a model all of whose weights are in its checkpoint.

    Args:
        load: `from_pretrained` of an automatic class of transformers.
        source: Id on the hub, or a folder.
        name: What it is, for the message.
        options: Of `load`.

    Raises:
        ConfigError: Weights are missing.
    """
    model, report = load(source, output_loading_info=True, **options)
    if missing := sorted(report["missing_keys"]):
        raise ConfigError(
            f"{name} cannot be loaded: {len(missing)} of its tensors are in no file of its weights"
            f" ({_name_some(missing)})",
            "copy all files of the model; one without a head for this method is another model:"
            " name one that was trained to write",
        )
    return model


def load_adapter(model: Any, adapter: str, note: Callable[[str], object]) -> Any:
    """Put an adapter of peft onto a model.

    Args:
        model: A model of transformers.
        adapter: Id on the hub, or a folder.
        note: Receives, in words, that the adapter names another base than this model.

    Raises:
        ConfigError: It was made for another model.
    """
    from peft import PeftModel

    name = f"adapter {adapter!r}"
    if Path(adapter).is_dir() and (lacking := _find_lacking(Path(adapter))):
        raise ConfigError(
            f"{name} cannot be loaded: its folder has no {lacking}",
            "give the folder that peft saved, with all its files, or leave adapter out",
        )
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        adapted = PeftModel.from_pretrained(model, adapter, revision=cached_commit(adapter))
    for warning in caught:
        words = str(warning.message)
        if "missing adapter keys" in words:
            raise ConfigError(
                f"{name} does not fit the model: {words.partition(chr(10))[0][:200]}",
                "an adapter fits only the model that it was trained on: check backbone and adapter",
            )
    base = str(adapted.peft_config["default"].base_model_name_or_path or "")
    used = str(getattr(model.config, "_name_or_path", "") or "")
    if base and used and _last_name(base) != _last_name(used):
        note(f"{name} was trained on {base!r}, and is used on {used!r}")
    return adapted


def choose_dtype(dtype: str, device: str, has_bfloat16: bool) -> tuple[str, str]:
    """Return the data type of the weights, and what is to be said of it ("" if nothing).

    Args:
        dtype: `auto` is float32 on a CPU and bfloat16 elsewhere.
        device: Where the model runs.
        has_bfloat16: Whether the device computes in bfloat16.

    Raises:
        ConfigError: The device does not have the type that was named.

    >>> choose_dtype("auto", "cpu", True)
    ('float32', '')
    """
    if dtype == "auto":
        if device == "cpu":
            return "float32", ""
        if has_bfloat16:
            return "bfloat16", ""
        return "float32", f"{device} has no bfloat16: the model runs in float32"
    if dtype == "bfloat16" and not has_bfloat16:
        raise ConfigError(
            f"{device} has no bfloat16",
            'dtype = "float32", or "float16" for a model that was trained in it',
        )
    return dtype, ""


def has_bfloat16(device: str) -> bool:
    """Return whether a device computes in bfloat16 itself; every CPU does, if slowly."""
    import torch

    kind = device.partition(":")[0]
    if kind == "cuda":
        with torch.cuda.device(device):
            return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if kind == "mps":
        try:
            torch.zeros(1, dtype=torch.bfloat16, device=device)
        except (RuntimeError, TypeError):  # before macOS 14
            return False
    return True


def _find_lacking(folder: Path) -> str:
    """Return what a folder lacks to be that of an adapter; "" if nothing."""
    if not (folder / "adapter_config.json").is_file():
        return "adapter_config.json"
    names = ("adapter_model.safetensors", "adapter_model.bin")
    return "" if any((folder / name).is_file() for name in names) else names[0]


def _last_name(source: str) -> str:
    """Return the name of a model without its owner or folder; of a snapshot, that of its model.

    >>> _last_name("/hub/models--Qwen--Qwen3-4B/snapshots/0f1e"), _last_name("Qwen/Qwen3-4B/")
    ('qwen3-4b', 'qwen3-4b')
    """
    path = source.rstrip("/").partition("/snapshots/")[0]
    return path.rpartition("/")[2].rpartition("--")[2].casefold()


def _name_some(names: Sequence[str]) -> str:
    rest = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + rest
