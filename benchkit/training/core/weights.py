"""The weights that training changes: hash, read, write, and keep the best of them."""

import hashlib
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from benchkit import io
from benchkit.errors import MethodError
from benchkit.files.checksums import (
    SUMS_FILE,
    discard_damaged,
    find_file_damage,
    find_folder_damage,
    seal_folder,
)
from benchkit.types import Progress

WEIGHTS_FILE = "trained.safetensors"
_BEST, _STATE = "best.safetensors", "selection.json"

Weights = Mapping[str, torch.Tensor]


def weights_hash(model: Any) -> str:
    """Hash the names and values of all parameters into 32 hexadecimal digits."""
    text = hashlib.blake2b(digest_size=16)
    for name, parameter in sorted(model.named_parameters()):
        text.update(f"{name} {tuple(parameter.shape)} {parameter.dtype}\n".encode())
        text.update(parameter.detach().cpu().contiguous().view(torch.uint8).numpy().tobytes())
    return text.hexdigest()


def trainable_parameters(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    """Return the parameters that require a gradient, by name."""
    return {name: p.detach() for name, p in model.named_parameters() if p.requires_grad}


def restore_weights(model: torch.nn.Module, weights: Weights) -> None:
    """Write `weights` into the parameters of `model`; raise KeyError if the names differ."""
    parameters = trainable_parameters(model)
    if parameters.keys() != weights.keys():
        raise KeyError(f"other parameters: {sorted(parameters.keys() ^ weights.keys())[:5]}")
    for name, value in weights.items():
        parameters[name].copy_(value)


def write_weights(path: Path, weights: Weights) -> None:
    """Write weights atomically: a file of this name is always complete."""
    with io.replace_file(path) as temporary:
        save_file({name: value.contiguous().cpu() for name, value in weights.items()}, temporary)


def read_weights(path: Path) -> dict[str, torch.Tensor]:
    """Read what `write_weights` wrote."""
    values: dict[str, torch.Tensor] = load_file(path)
    return values


def is_intact(result: Path, progress: Progress) -> bool:
    """Return whether a training left its weights in a file; remove one that is damaged, and say so.

    One without checksums is damaged, too: they are written last.
    """
    if not result.exists():
        return False
    if damage := find_file_damage(result):
        discard_damaged(result, damage, progress)
        return False
    return True


class BestCheckpoint:
    """The best weights so far."""

    def __init__(self) -> None:
        self.best: float | None = None
        """Their score, higher is better; None before the first score."""
        self.stale = 0
        """Scores in a row that were not better."""
        self._weights: Weights | None = None

    def update(self, score: float, model: torch.nn.Module) -> None:
        """Record a score, and copy the weights if it is the best. An equal score is not better."""
        if score != score:
            raise MethodError("the validation score is not a number", "lower the learning rate")
        if self.best is not None and score <= self.best:
            self.stale += 1
            return
        self.best, self.stale = score, 0
        self._weights = {n: p.to("cpu", copy=True) for n, p in trainable_parameters(model).items()}

    def restore(self, model: torch.nn.Module) -> None:
        """Give `model` the best weights; without any score, leave it unchanged."""
        if self._weights is not None:
            restore_weights(model, self._weights)

    def save(self, folder: Path) -> None:
        """Write into a checkpoint, which also marks the checkpoint as complete."""
        if self._weights is not None:
            write_weights(folder / _BEST, self._weights)
        state = {"best": self.best, "stale": self.stale}
        io.write_json(folder / _STATE, state)
        seal_folder(folder)

    def load(self, folder: Path) -> None:
        """Read from a checkpoint."""
        state: dict[str, Any] = json.loads((folder / _STATE).read_text(encoding="utf-8"))
        self.best, self.stale = state["best"], state["stale"]
        self._weights = read_weights(folder / _BEST) if self.best is not None else None


def list_checkpoints(folder: Path) -> list[Path]:
    """List checkpoints by step, the newest last, including incomplete ones."""
    return sorted(folder.glob("checkpoint-*"), key=lambda path: int(path.name.split("-")[1]))


def last_checkpoint(folder: Path, progress: Progress) -> Path | None:
    """Return the newest complete checkpoint; delete incomplete and damaged ones, and say which."""
    complete = None
    for path in list_checkpoints(folder):
        damage = find_folder_damage(path)
        if not damage:
            complete = path
        elif (path / SUMS_FILE).is_file():
            discard_damaged(path, damage, progress)
        else:
            shutil.rmtree(path)
    return complete


def delete_checkpoints(folder: Path, keep: Path | None = None) -> None:
    """Delete all checkpoints except `keep`."""
    for path in list_checkpoints(folder):
        if path != keep:
            shutil.rmtree(path)
