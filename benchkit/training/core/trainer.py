"""One trainer for every loss: transformers' Trainer with its parts under our control.

The order of examples, the batches, the loss, validation and the content of checkpoints are ours;
the optimizer, the schedule, accumulation, clipping and generator states are the Trainer's.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import torch
import transformers
from torch.utils.data import DataLoader
from transformers.trainer_callback import PrinterCallback

from benchkit import process_state
from benchkit.errors import MethodError
from benchkit.lm.packing.bins import fill_bins, fill_padded_bins
from benchkit.lm.packing.kernels import force_kernel
from benchkit.training.core import weights
from benchkit.training.core.batch_sampler import MicroBatchSampler, StepPlan, epoch_order
from benchkit.training.core.config import TrainConfig
from benchkit.training.core.hf_arguments import training_arguments
from benchkit.training.core.objective import Objective, TensorBatch
from benchkit.training.core.training_context import autocast
from benchkit.types import RunContext

_REPORTS = 100  # number of times that the loss is reported in all


class Trainer(transformers.Trainer):
    """The trainer of one training in one process."""

    loss_is_scaled_for_ga = True  # the loss is divided by the normalizer of the whole step
    rank, processes = 0, 1
    args: Any
    model: Any
    train_dataset: Any
    objective: Objective[Any]
    score: Callable[[Any], tuple[float, str]] | None
    """Returns the model's validation score, higher is better, and a note to report; or None."""

    def __init__(
        self,
        model: Any,
        examples: Sequence[Any],
        objective: Objective[Any],
        config: TrainConfig,
        run: RunContext,
        plan: StepPlan,
        folder: Path,
    ) -> None:
        self.objective, self.settings, self.run, self.plan = objective, config, run, plan
        self.score = None
        self.best_checkpoint = weights.BestCheckpoint()
        self.lengths = [objective.size(example) for example in examples]
        super().__init__(
            model=model,
            args=training_arguments(model, config, run, plan, folder),
            train_dataset=examples,
            callbacks=[_AfterStep(self)],
        )
        self.remove_callback(PrinterCallback)
        self._sum, self._summed = torch.zeros((), device=self.args.device), 0

    # Batches

    def get_train_dataloader(self) -> Any:
        config = self.settings
        micro_batches: Any = MicroBatchSampler(
            self.order,
            self.epoch,
            len(self.lengths),
            config.batch_size,
            config.micro_batch_size,
            self.rank,
            self.processes,
        )
        return DataLoader(
            self.train_dataset,
            batch_sampler=micro_batches,
            collate_fn=self.collate_batch,
            generator=torch.Generator(),
        )

    def collate_batch(self, examples: Sequence[Any]) -> Any:
        """Build what a training step receives: micro-batches, usually one."""
        return [self.objective.collate(part) for part in self.split_by_tokens(examples)]

    def split_by_tokens(self, examples: Sequence[Any]) -> list[Sequence[Any]]:
        """Split examples into parts of at most `micro_batch_tokens`; one part without a limit."""
        limit = self.settings.micro_batch_tokens
        if limit is None:
            return [examples]
        sizes = [self.objective.size(example) for example in examples]
        if getattr(self.objective, "packs", False):
            bins = fill_bins(sizes, limit)
        else:
            bins = list(fill_padded_bins(range(len(sizes)), sizes, limit))
        return [[examples[number] for number in each] for each in bins]

    def epoch(self) -> int:
        """Return the current epoch from the step count: not every loader is told of it."""
        return int(self.state.global_step // self.plan.steps_per_epoch)

    def order(self, epoch: int) -> Any:
        """Return the order of an epoch's examples, by number."""
        config = self.settings
        rng = self.run.generator(config.purpose, "order", epoch)
        return epoch_order(rng, self.lengths, config.batch_size, config.group_by_length)

    def get_batch_samples(
        self, epoch_iterator: Iterator[list[TensorBatch]], num_batches: int, *_: Any
    ) -> tuple[list[Any], Any]:
        batches = list(islice(epoch_iterator, num_batches))
        return batches, sum(self.objective.normalizer(part) for parts in batches for part in parts)

    # A step

    def training_step(self, model: Any, inputs: Any, num_items_in_batch: Any = 1.0) -> torch.Tensor:
        self.objective.step = self.state.global_step
        total = torch.zeros_like(self._sum)
        for batch in inputs:
            with self.objective.context(model):  # backward may compute activations again
                loss: torch.Tensor = self.batch_loss(model, batch) / num_items_in_batch
                self.accelerator.backward(loss)
            total += loss.detach()
        self._sum += total
        return total

    def batch_loss(self, model: Any, batch: TensorBatch) -> torch.Tensor:
        """Compute the objective's sum on the device and in the precision of the settings."""
        device = self.args.device
        moved = {name: value.to(device, non_blocking=True) for name, value in batch.items()}
        with autocast(self.settings.precision, device.type):
            return self.objective.loss(model, moved)

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

    def mean_loss(self, examples: Sequence[Any]) -> float:
        """Compute the objective's mean loss over all examples, without gradients."""
        size, total, normalizer = self.settings.micro_batch_size, 0.0, 0.0
        for start in range(0, len(examples), size):
            for part in self.split_by_tokens(examples[start : start + size]):
                batch = self.objective.collate(part)
                with self.objective.context(self.model):
                    total += float(self.batch_loss(self.model, batch))
                normalizer += self.objective.normalizer(batch)
        return total / normalizer

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
        super()._save_checkpoint(model, trial)
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
                with force_kernel(self.settings.prefix_attention):
                    self.train(resume_from_checkpoint=None if last is None else str(last))
        finally:
            self.model.zero_grad(set_to_none=True)
            self.model.eval()
            for name in set(vars(self.model)) - attributes:  # Accelerate leaves one
                delattr(self.model, name)
            if self.args.device.type == "cuda":
                self.accelerator.free_memory()
        self.best_checkpoint.restore(self.model)

    def create_optimizer(self, *args: Any, **kwargs: Any) -> Any:
        """Create the optimizer, with a parameter group of its own for the objective's module."""
        existed, module = self.optimizer is not None, self.objective.module
        optimizer = super().create_optimizer(*args, **kwargs)
        if module is not None and not existed:
            of_module = {id(parameter) for parameter in module.parameters()}
            for group in optimizer.param_groups:
                group["params"] = [p for p in group["params"] if id(p) not in of_module]
            extra = {"params": list(module.parameters()), "weight_decay": 0.0}
            optimizer.add_param_group({**extra, "lr": self.objective.module_lr})
        return optimizer

    # What costs time and is not used

    def log(self, *_: Any, **__: Any) -> None:
        pass

    def floating_point_ops(self, *_: Any, **__: Any) -> int:
        return 0

    def _get_grad_norm(self, _: Any, grad_norm: Any = None) -> Any:
        return grad_norm


class _AfterStep(transformers.TrainerCallback):
    def __init__(self, trainer: Trainer) -> None:
        self._trainer = trainer

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ARG002
        self._trainer.after_step(control)
