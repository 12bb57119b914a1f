"""Train a model on an objective: adapter, resuming, validation, what is kept."""

import hashlib
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from benchkit import io
from benchkit.training.core import weights
from benchkit.training.core.batch_sampler import StepPlan
from benchkit.training.core.config import TrainConfig
from benchkit.training.core.lora import add_adapter
from benchkit.training.core.preflight import check_training_config
from benchkit.training.core.trainer import Objective, Trainer
from benchkit.training.distributed import launcher
from benchkit.training.distributed.serialization import TrainingJob
from benchkit.types import RunContext

_IDENTITY = "identity"
_BESIDE = "benchkit_objective"


def train_on_objective(
    model: Any,
    examples: Sequence[Any],
    objective: Objective[Any],
    config: TrainConfig,
    run: RunContext,
    validate: Callable[[Any], float] | None = None,
    validation: Sequence[Any] | None = None,
    about: object = None,
) -> Any:
    """What `train_sft` says, for any objective; to be called inside `tuning_process`.

    about: what the loss depends on beside the examples; what another training has left in the
    folder is not gone on with.

    With `config.processes` above 1 the steps are done by processes of their own, while this one
    waits; see `launching`. `validate` is called in the first of them, as are the objective's
    closures: they are written to a file by cloudpickle, with the model that they refer to, so
    they must not hold what is bound to this process (locks, open files, connections). Other
    objectives than preferences must depend on nothing but the model and the batch.
    """
    check_training_config(config, run.device)
    folder = run.scratch / config.purpose
    _same_training(folder, model, examples, config, (run.seed, about))
    torch.manual_seed(int(run.generator(config.purpose, "adapter").integers(2**31)))
    if config.lora is not None:
        model = add_adapter(model, config.lora)
    ended = folder / weights.WEIGHTS_FILE
    with _beside(model, objective.module):
        if ended.is_file():
            weights.restore_weights(model, weights.read_weights(ended))
            return model.to(run.device).eval()
        training = TrainingJob(
            model, examples, objective, config, run, validate, validation, folder
        )
        if config.processes > 1:
            launcher.launch_training(training)
            weights.restore_weights(model, weights.read_weights(ended))
            model.to(run.device).eval()
        else:
            run_training_job(training, Trainer)
            weights.write_weights(ended, weights.trainable_parameters(model))
    if config.lora is not None:
        with io.wrap_io_errors(folder):
            model.save_pretrained(str(folder / "adapter"), save_embedding_layers=False)
    weights.delete_checkpoints(folder)
    return model


def run_training_job(training: TrainingJob, tuner_type: type[Trainer]) -> None:
    """Train; the model is left with the best weights, on the device, in evaluation mode."""
    own = training
    plan = StepPlan.from_config(own.config, len(own.examples))
    with use_gradient_checkpointing(own.model, own.config.gradient_checkpointing):
        tuner = tuner_type(
            own.model, own.examples, own.objective, own.config, own.run, plan, own.folder
        )
        tuner.score = make_validation_score(tuner, own.validate, own.validation)
        tuner.train_to_end()


@contextmanager
def _beside(model: Any, module: torch.nn.Module | None) -> Iterator[None]:
    """Make `module` a part of the model for a while, so that it is moved, saved and restored."""
    if module is None:
        yield
        return
    model.add_module(_BESIDE, module)
    try:
        yield
    finally:
        delattr(model, _BESIDE)


def make_validation_score(
    tuner: Trainer, validate: Callable[[Any], float] | None, validation: Sequence[Any] | None
) -> Callable[[Any], tuple[float, str]] | None:
    """What selects the weights: the caller's score, else the loss on `validation`, else nothing."""
    if validate is not None:

        def score(model: Any) -> tuple[float, str]:
            value = float(validate(model))
            return value, f"validation {value:.4f}"

        return score
    if not validation:
        return None
    by_length = sorted(validation, key=tuner.objective.size)

    def negative_loss(_: Any) -> tuple[float, str]:
        value = tuner.mean_loss(by_length)
        return -value, f"validation loss {value:.4f}"

    return negative_loss


def _same_training(
    folder: Path, model: Any, examples: Sequence[Any], config: TrainConfig, about: object
) -> None:
    """Empty the folder when what is in it belongs to another training.

    Where the model's own weights come from is not looked at: in one run it is always the same.
    """
    text = hashlib.blake2b(digest_size=16)
    for part in (config.model_dump_json(), about):
        text.update(repr(part).encode())
    for name, parameter in model.named_parameters():
        text.update(f"{name} {tuple(parameter.shape)} {parameter.dtype}\n".encode())
    for example in examples:
        text.update(repr(example).encode())
    marker, identity = folder / _IDENTITY, text.hexdigest()
    if marker.is_file() and marker.read_text(encoding="utf-8") == identity:
        return
    shutil.rmtree(folder, ignore_errors=True)
    io.write_text(marker, identity)


@contextmanager
def use_gradient_checkpointing(model: Any, wanted: bool) -> Iterator[None]:
    """Gradient checkpointing for a while, under the name that the installed transformers has."""
    if not wanted:
        yield
        return
    kind = "activation" if hasattr(model, "activation_checkpointing_enable") else "gradient"
    keywords = {f"{kind}_checkpointing_kwargs": {"use_reentrant": False}}
    getattr(model, f"{kind}_checkpointing_enable")(**keywords)
    try:
        yield
    finally:
        getattr(model, f"{kind}_checkpointing_disable")()
