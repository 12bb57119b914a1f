"""What every trainer does besides its loss: report, validate, keep the best weights, resume."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import transformers
from transformers.trainer_callback import PrinterCallback

from benchkit import process_state
from benchkit.errors import MethodError
from benchkit.lm.packing.kernels import force_kernel
from benchkit.training.core import weights
from benchkit.training.core.batch_sampler import StepPlan
from benchkit.training.core.config import TrainConfig
from benchkit.types import RunContext

_REPORTS = 100  # number of times that the loss is reported in all


class WeightSelection:
    """A mixin for trainers that descend from transformers' Trainer, which it precedes.

    A training step adds its losses, divided as they are for the gradient, to `_sum`.
    """

    args: Any
    state: Any
    control: Any
    model: Any
    accelerator: Any
    settings: TrainConfig
    run: RunContext
    plan: StepPlan
    score: Callable[[Any], tuple[float, str]] | None
    """Returns the model's validation score, higher is better, and a note to report; or None."""
    best_checkpoint: weights.BestCheckpoint
    _sum: torch.Tensor
    _summed: int

    def prepare_selection(self, config: TrainConfig, run: RunContext, plan: StepPlan) -> None:
        """Set what the other methods need; call it before the Trainer's own constructor."""
        self.settings, self.run, self.plan = config, run, plan
        self.score = None
        self.best_checkpoint = weights.BestCheckpoint()

    def report_steps(self) -> None:
        """Report steps instead of printing them; call it after the Trainer's own constructor."""
        trainer: Any = self
        trainer.remove_callback(PrinterCallback)
        trainer.add_callback(_AfterStep(self))
        self._sum, self._summed = torch.zeros((), device=self.args.device), 0

    def after_step(self, control: Any) -> None:
        """Report, and decide whether to validate and whether to write a checkpoint."""
        step, plan = self.state.global_step, self.plan
        last, note = step >= plan.total_steps, ""
        self._summed += 1
        if last or step % max(1, plan.total_steps // _REPORTS) == 0:
            note = f"loss {self.pop_mean_loss():.3f}"
        self.run.progress.advance(note=note)
        control.should_evaluate = self.score is not None and (
            last or step % plan.evaluation_interval == 0
        )
        control.should_save = not last and step % plan.checkpoint_interval == 0

    def pop_mean_loss(self) -> float:
        """Return the mean loss since the last call; raise MethodError if it is not finite."""
        mean = float(self._sum) / self._summed
        self._sum.zero_()
        self._summed = 0
        if not math.isfinite(mean):
            raise MethodError(
                f"training diverged: the loss is {mean} at step {self.state.global_step}",
                "lower learning_rate, or set max_grad_norm",
            )
        return mean

    # Validation

    def evaluate(self, *_: Any, **__: Any) -> dict[str, float]:
        self.control.should_evaluate = False
        self.validate()
        self.control.should_training_stop |= self.stopped
        return {}

    def validate(self) -> None:
        """Score the current weights, and keep them if they are the best."""
        assert self.score is not None  # noqa: S101
        with process_state.preserve_random_states(self.run.device), torch.no_grad():
            self.model.eval()
            value, note = self.score(self.model)
            self.model.train()
        self.best_checkpoint.update(value, self.model)
        self.run.progress.advance(0, note=note)

    @property
    def stopped(self) -> bool:
        """Whether patience has run out."""
        patience = self.settings.patience
        return patience is not None and self.best_checkpoint.stale >= patience

    # Checkpoints: the trained weights alone, the best of them, and the Trainer's own state

    def save_model(self, output_dir: str | None = None, _internal_call: bool = False) -> None:
        folder = Path(output_dir or self.args.output_dir)
        weights.write_weights(
            folder / weights.WEIGHTS_FILE, weights.trainable_parameters(self.model)
        )

    def _load_from_checkpoint(self, resume_from_checkpoint: str, *_: Any) -> None:
        values = weights.read_weights(Path(resume_from_checkpoint) / weights.WEIGHTS_FILE)
        weights.restore_weights(self.model, values)

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        trainer: Any = super()
        trainer._save_checkpoint(model, trial)
        root = Path(self.args.output_dir)
        self.mark_complete(root, root / f"checkpoint-{self.state.global_step}")

    def mark_complete(self, root: Path, folder: Path) -> None:
        """Mark a checkpoint as complete and delete the one before it."""
        self.best_checkpoint.save(folder)
        weights.delete_checkpoints(root, keep=folder)

    def last_checkpoint(self) -> Path | None:
        """Find the checkpoint to resume from, and load the best weights it knew."""
        last = weights.last_checkpoint(Path(self.args.output_dir), self.run.progress)
        if last is not None:
            self.best_checkpoint.load(last)
        return last

    def train_to_end(self) -> None:
        """Train from the last checkpoint, or from the start, and leave the best weights."""
        last = self.last_checkpoint()
        self.run.progress.start(f"{self.settings.purpose} steps", self.plan.total_steps)
        if last is not None:
            self.run.progress.advance(int(last.name.split("-")[1]), note="resumed")
        self.model.train()
        attributes = set(vars(self.model))
        try:
            if not self.stopped:
                trainer: Any = self
                with force_kernel(self.settings.prefix_attention):
                    trainer.train(resume_from_checkpoint=None if last is None else str(last))
        finally:
            self.model.zero_grad(set_to_none=True)
            self.model.eval()
            for name in set(vars(self.model)) - attributes:  # Accelerate leaves one
                delattr(self.model, name)
            if self.args.device.type == "cuda":
                self.accelerator.free_memory()
        self.best_checkpoint.restore(self.model)

    # What costs time and is not used

    def log(self, *_: Any, **__: Any) -> None:
        pass

    def floating_point_ops(self, *_: Any, **__: Any) -> int:
        return 0

    def _get_grad_norm(self, _: Any, grad_norm: Any = None) -> Any:
        return grad_norm


class _AfterStep(transformers.TrainerCallback):
    def __init__(self, trainer: WeightSelection) -> None:
        self._trainer = trainer

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ARG002
        self._trainer.after_step(control)
