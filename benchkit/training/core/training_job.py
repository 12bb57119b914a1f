"""One training as an object, and its execution by a trainer in this process."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchkit.training.core.batch_sampler import StepPlan
from benchkit.training.core.config import TrainConfig
from benchkit.training.core.objective import Objective
from benchkit.types import RunContext


@dataclass(frozen=True)
class TrainingJob:
    """Everything that defines one training."""

    model: Any
    examples: Sequence[Any]
    objective: Objective[Any]
    config: TrainConfig
    run: RunContext
    validate: Callable[[Any], float] | None
    """Scores the model on validation cases, higher is better; None to use `validation`."""
    validation: Sequence[Any] | None
    """Examples whose mean loss selects the weights if there is no `validate`."""
    folder: Path
    """Gets checkpoints and weights."""


def run_training_job(job: TrainingJob, trainer_type: type[Any]) -> None:
    """Train, and leave the model with its best weights, on the device, in evaluation mode."""
    plan = StepPlan.from_config(job.config, len(job.examples))
    with use_gradient_checkpointing(job.model, job.config.gradient_checkpointing):
        trainer = trainer_type(
            job.model, job.examples, job.objective, job.config, job.run, plan, job.folder
        )
        trainer.score = make_validation_score(trainer, job.validate, job.validation)
        trainer.train_to_end()


def make_validation_score(
    trainer: Any, validate: Callable[[Any], float] | None, validation: Sequence[Any] | None
) -> Callable[[Any], tuple[float, str]] | None:
    """Return the score that selects weights: `validate`, else minus the loss on `validation`."""
    if validate is not None:

        def score(model: Any) -> tuple[float, str]:
            value = float(validate(model))
            return value, f"validation {value:.4f}"

        return score
    if not validation:
        return None
    by_length = sorted(validation, key=trainer.objective.size)

    def negative_loss(_: Any) -> tuple[float, str]:
        value = trainer.mean_loss(by_length)
        return -value, f"validation loss {value:.4f}"

    return negative_loss


@contextmanager
def use_gradient_checkpointing(model: Any, enabled: bool) -> Iterator[None]:
    """Enable gradient checkpointing for a while, under the name that transformers has for it."""
    if not enabled:
        yield
        return
    kind = "activation" if hasattr(model, "activation_checkpointing_enable") else "gradient"
    keywords = {f"{kind}_checkpointing_kwargs": {"use_reentrant": False}}
    getattr(model, f"{kind}_checkpointing_enable")(**keywords)
    try:
        yield
    finally:
        getattr(model, f"{kind}_checkpointing_disable")()
