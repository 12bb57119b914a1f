"""Training settings that apply where a suite sets none, by the name of the training."""

from collections.abc import Mapping
from typing import Any

_SHARED: Mapping[str, Any] = {"schedule": "linear", "warmup": 0.05, "weight_decay": 0.01}
_REWARDS: Mapping[str, Any] = {**_SHARED, "weight_decay": 0.0, "unit": "steps", "epochs": 1}

NANO: Mapping[str, Mapping[str, Any]] = {
    "gram": {
        "epochs": 0.75, "min_steps": 600, "batch_size": 64, "learning_rate": 3e-3,
        "evaluate_every": 0.125, "patience": 3,
    },
    "stream-pretrain": {
        "epochs": 0.5, "min_steps": 400, "batch_size": 64, "learning_rate": 3e-3,
        "evaluate_every": 0.125,
    },
    "stream-train": {
        "epochs": 0.25, "min_steps": 200, "batch_size": 64, "learning_rate": 1e-3,
        "evaluate_every": 0.125, "patience": 3,
    },
    "stream-reinforce": {
        **_REWARDS, "max_steps": 40, "batch_size": 16, "learning_rate": 1e-4,
        "evaluate_every": 10, "patience": 2,
    },
}  # fmt: skip
T5: Mapping[str, Mapping[str, Any]] = {
    "gram": {  # the official code's
        "epochs": 30, "batch_size": 64, "micro_batch": 32, "learning_rate": 1e-3, "patience": 3,
    },
    "stream-pretrain": {
        "epochs": 20, "batch_size": 256, "micro_batch": 64, "learning_rate": 1e-3, "patience": 3,
    },
    "stream-train": {
        "epochs": 10, "batch_size": 256, "micro_batch": 64, "learning_rate": 5e-4, "patience": 3,
    },
    "stream-reinforce": {
        **_REWARDS, "max_steps": 1000, "batch_size": 64, "micro_batch": 16, "learning_rate": 1e-5,
        "evaluate_every": 100, "patience": 3,
    },
}  # fmt: skip


def training_defaults(name: str, is_nano: bool) -> Mapping[str, Any]:
    """Return the settings of a training: small enough for a laptop with nano, else the paper's."""
    return {**_SHARED, **(NANO if is_nano else T5)[name], "purpose": name}
