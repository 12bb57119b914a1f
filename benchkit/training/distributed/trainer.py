"""The trainer of one of several processes that share every step of a training."""

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any, NamedTuple

import torch

from benchkit.errors import ConfigError
from benchkit.process_state import patch_attributes
from benchkit.training.core.objective import Objective, TensorBatch
from benchkit.training.core.trainer import Trainer
from benchkit.training.distributed import collectives
from benchkit.training.distributed.selection import RankZeroSelection


class RankBatch(NamedTuple):
    """The micro-batch of one process."""

    batch: TensorBatch
    active: bool
    """False for a batch that does not count and only keeps the process in step with the others."""


class LossModule(torch.nn.Module):
    """A module whose forward pass computes the loss of a micro-batch.

    DistributedDataParallel and DeepSpeed prepare the exchange of gradients in the forward pass of
    the module they wrap. Losses reach into the model, past any wrapper around it, so this module
    is wrapped instead.
    """

    def __init__(self, trainer: "DistributedTrainer") -> None:
        super().__init__()
        self.model = trainer.model
        self._loss = trainer.batch_loss

    @property
    def config(self) -> Any:
        """The model's configuration."""
        return self.model.config

    def forward(self, batch: TensorBatch) -> torch.Tensor:
        return self._loss(self.model, batch)


class DistributedTrainer(RankZeroSelection, Trainer):
    """Compute one process's part of each step.

    A step has the examples it would have with one process. The loss is divided by the normalizer
    of all processes; because gradients are averaged over processes, it is multiplied by their
    number; clipping comes after that. Rank 0 alone validates, selects, writes checkpoints and
    decides to stop.
    """

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.rank, self.processes = self.args.process_index, self.args.world_size
        for_rank = getattr(self.objective, "for_rank", None)
        if for_rank is not None:
            self.objective = for_rank(self.rank)
        if self.is_deepspeed_enabled:
            reject_running_averages(self.objective)
        self._smallest = min(range(len(self.lengths)), key=self.lengths.__getitem__)

    # Batches

    def collate_batch(self, examples: Sequence[Any]) -> RankBatch:
        # A process without work computes something all the same: DeepSpeed exchanges gradients in
        # the order in which they arise, which must be the same everywhere.
        batch = examples or [self.train_dataset[self._smallest]]
        return RankBatch(self.objective.collate(batch), bool(examples))

    def get_batch_samples(
        self, epoch_iterator: Iterator[Any], num_batches: int, *_: Any
    ) -> tuple[list[Any], Any]:
        batches = list(islice(epoch_iterator, num_batches))
        normalizer = sum(self.objective.normalizer(b.batch) for b in batches if b.active)
        return batches, collectives.all_reduce_sum(normalizer, self.args.device)

    # A step

    def _prepare_for_training(self, *args: Any) -> Any:
        prepare = self.accelerator.prepare

        def prepare_loss(*objects: Any) -> Any:
            return prepare(*(LossModule(self) if part is self.model else part for part in objects))

        with patch_attributes(self.accelerator, {"prepare": prepare_loss}):
            return super()._prepare_for_training(*args)  # type: ignore[no-untyped-call]

    def training_step(self, model: Any, inputs: Any, num_items_in_batch: Any = 1.0) -> torch.Tensor:
        objective: Any = self.objective
        objective.step = self.state.global_step
        if hasattr(objective, "idle"):
            objective.idle = not inputs.active
        with objective.context(self.model):
            loss: torch.Tensor = model(inputs.batch) / num_items_in_batch * float(inputs.active)
            if self.is_deepspeed_enabled:
                reject_running_averages(objective)
            # The loss is divided by the whole step's normalizer already.
            options = {"scale_wrt_gas": False} if self.is_deepspeed_enabled else {}
            self.accelerator.backward(loss * self.processes, **options)
        self._sum += loss.detach()
        return loss.detach()


def reject_running_averages(objective: Objective[Any]) -> None:
    """Raise ConfigError if the method keeps numbers that DeepSpeed would overwrite.

    Such parameters are recognised by being scalars, and at the latest by having been changed.
    """
    module = objective.module
    has_scalar = module is not None and any(p.dim() == 0 for p in module.parameters())
    if has_scalar or getattr(objective, "self_updating", False):
        raise ConfigError(
            "the method keeps running averages beside the model, which DeepSpeed would reset"
            " after each step",
            "leave out train.accelerate: gradients are then exchanged by PyTorch",
        )
