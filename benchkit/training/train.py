"""Train a model on any objective: adapter, resuming, validation, one or several processes."""

import hashlib
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from benchkit import io
from benchkit.files.checksums import seal_file
from benchkit.training.core import weights
from benchkit.training.core.config import TrainConfig
from benchkit.training.core.lora import add_adapter
from benchkit.training.core.objective import Objective
from benchkit.training.core.preflight import check_training_config
from benchkit.training.core.trainer import Trainer
from benchkit.training.core.training_job import TrainingJob, run_training_job
from benchkit.training.distributed import launcher
from benchkit.types import RunContext

_IDENTITY = "identity"
_MODULE = "benchkit_objective"


def train_on_objective(
    model: Any,
    examples: Sequence[Any],
    objective: Objective[Any],
    config: TrainConfig,
    run: RunContext,
    validate: Callable[[Any], float] | None = None,
    validation: Sequence[Any] | None = None,
    identity: object = None,
) -> Any:
    """Train as `train_sft` does, on any objective. Call it inside `training_context`.

    With several processes, the steps are done by processes that the launcher starts, while this
    one waits. `validate` and the closures of the objective are then sent to them by cloudpickle,
    together with the model they refer to, so they must not hold anything that is bound to this
    process (locks, open files, connections).

    Args:
        model: A causal language model of transformers.
        examples: What `objective` trains on.
        objective: The loss.
        config: How to train.
        run: Seed, device, folders and progress.
        validate: Scores the model, higher is better; see `train_sft`.
        validation: Examples whose loss selects the weights if there is no `validate`.
        identity: What the loss depends on besides the examples. A training that another identity
            has left in the folder is discarded.

    Returns:
        The model on `run.device`, in evaluation mode, with its best weights.
    """
    check_training_config(config, run.device)
    folder = run.scratch / config.purpose
    _reset_if_changed(folder, model, examples, config, (run.seed, identity))
    torch.manual_seed(int(run.generator(config.purpose, "adapter").integers(2**31)))
    if config.lora is not None:
        model = add_adapter(model, config.lora)
    result = folder / weights.WEIGHTS_FILE
    with _attach_module(model, objective.module):
        if weights.is_intact(result, run.progress):
            weights.restore_weights(model, weights.read_weights(result))
            return model.to(run.device).eval()
        job = TrainingJob(model, examples, objective, config, run, validate, validation, folder)
        train_job(job, Trainer)
    if config.lora is not None:
        save_adapter(model, folder)
    weights.delete_checkpoints(folder)
    return model


def train_job(job: TrainingJob, trainer: type[Any]) -> None:
    """Train by `trainer`, or on several processes by the launcher, and write the weights.

    The model is left with them, on the device and in evaluation mode.
    """
    model, result = job.model, job.folder / weights.WEIGHTS_FILE
    if job.config.processes > 1:
        launcher.launch_training(job)
        weights.restore_weights(model, weights.read_weights(result))
        model.to(job.run.device).eval()
    else:
        run_training_job(job, trainer)
        weights.write_weights(result, weights.trainable_parameters(model))
        seal_file(result)


def save_adapter(model: Any, folder: Path) -> None:
    """Write the adapter of a PeftModel into `folder`/adapter."""
    with io.wrap_io_errors(folder):
        model.save_pretrained(str(folder / "adapter"), save_embedding_layers=False)


@contextmanager
def _attach_module(model: Any, module: torch.nn.Module | None) -> Iterator[None]:
    """Make `module` a part of the model for a while, so that it is moved, saved and restored."""
    if module is None:
        yield
        return
    model.add_module(_MODULE, module)
    try:
        yield
    finally:
        delattr(model, _MODULE)


def _reset_if_changed(
    folder: Path, model: Any, examples: Sequence[Any], config: TrainConfig, identity: object
) -> None:
    """Empty the folder if its content belongs to another training.

    The origin of the model's own weights is not checked: within a run it is always the same.
    """
    text = hashlib.blake2b(digest_size=16)
    for part in (config.model_dump_json(), identity):
        text.update(repr(part).encode())
    for name, parameter in model.named_parameters():
        text.update(f"{name} {tuple(parameter.shape)} {parameter.dtype}\n".encode())
    for example in examples:
        text.update(repr(example).encode())
    marker, digest = folder / _IDENTITY, text.hexdigest()
    if marker.is_file() and marker.read_text(encoding="utf-8") == digest:
        return
    shutil.rmtree(folder, ignore_errors=True)
    io.write_text(marker, digest)
