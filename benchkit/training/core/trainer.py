"""One trainer for every loss: transformers' Trainer with its parts under our control.

The order of examples, the batches, the loss, validation and the content of checkpoints are ours;
the optimizer, the schedule, accumulation, clipping and generator states are the Trainer's.
"""

from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import torch
import transformers
from torch.utils.data import DataLoader

from benchkit.lm.packing.bins import fill_bins, fill_padded_bins
from benchkit.training.core.batch_sampler import MicroBatchSampler, StepPlan, epoch_order
from benchkit.training.core.config import TrainConfig
from benchkit.training.core.hf_arguments import training_arguments
from benchkit.training.core.objective import Objective, TensorBatch
from benchkit.training.core.training_context import autocast
from benchkit.training.core.weight_selection import WeightSelection
from benchkit.types import RunContext


class Trainer(WeightSelection, transformers.Trainer):
    """The trainer of one training in one process."""

    loss_is_scaled_for_ga = True  # the loss is divided by the normalizer of the whole step
    rank, processes = 0, 1
    train_dataset: Any
    objective: Objective[Any]

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
        self.objective = objective
        self.prepare_selection(config, run, plan)
        self.lengths = [objective.size(example) for example in examples]
        super().__init__(
            model=model,
            args=training_arguments(model, config, run, plan, folder),
            train_dataset=examples,
        )
        self.report_steps()

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
