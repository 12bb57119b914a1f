"""The trainer of one of several processes that share every step of a training."""

from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import torch
import torch.distributed as dist

from benchkit.process_state import patch_attributes
from benchkit.training.core.batch_sampler import DistributedMicroBatchSampler
from benchkit.training.core.trainer import TensorBatch, Trainer
from benchkit.training.distributed import collectives


class RankBatch(NamedTuple):
    """A micro-batch. counts: False for one that only keeps a process in step with the others."""

    batch: TensorBatch
    active: bool


class LossModule(torch.nn.Module):
    """A module whose forward pass is the loss of a micro-batch.

    DistributedDataParallel and DeepSpeed prepare the exchange of gradients in their forward pass.
    Losses reach into the model, past any wrapper of it: so it is this that is wrapped.
    """

    def __init__(self, tuner: "DistributedTrainer") -> None:
        super().__init__()
        self.model = tuner.model
        self._total = tuner.batch_loss

    @property
    def config(self) -> Any:
        return self.model.config

    def forward(self, batch: TensorBatch) -> torch.Tensor:
        return self._total(self.model, batch)


class DistributedTrainer(Trainer):
    """A step has the examples that it would have with one process, each computed by one of several.

    The loss is divided by the amount of all shares. Gradients are averaged over processes, so it is
    multiplied by their number; they are clipped after that. The first process alone validates,
    selects, writes checkpoints and decides to stop.
    """

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.rank, self.processes = self.args.process_index, self.args.world_size
        self.first = self.rank == 0
        self.objective = collectives.distribute_objective(self.objective, self.rank)
        if self.is_deepspeed_enabled:
            collectives.reject_running_averages(self.objective)
        self._smallest = min(range(len(self.lengths)), key=self.lengths.__getitem__)

    # Batches

    def micro_batches(self) -> Any:
        config = self.settings
        return DistributedMicroBatchSampler(
            self.order,
            self.epoch,
            len(self.lengths),
            config.batch_size,
            config.micro_batch_size,
            self.rank,
            self.processes,
        )

    def collate_batch(self, examples: Sequence[Any]) -> RankBatch:
        # A process without work computes something all the same: DeepSpeed exchanges gradients in
        # the order in which they arise, which must be the same everywhere.
        own = examples or [self.train_dataset[self._smallest]]
        return RankBatch(self.objective.collate(own), bool(examples))

    def get_batch_samples(
        self, epoch_iterator: Iterator[Any], num_batches: int, *_: Any
    ) -> tuple[list[Any], Any]:
        shares = list(islice(epoch_iterator, num_batches))
        own = sum(self.objective.normalizer(share.batch) for share in shares if share.active)
        return shares, collectives.all_reduce_sum(own, self.args.device)

    # A step

    def _prepare_for_training(self, *given: Any) -> Any:
        prepare = self.accelerator.prepare

        def wrapped(*objects: Any) -> Any:
            return prepare(*(LossModule(self) if part is self.model else part for part in objects))

        with patch_attributes(self.accelerator, {"prepare": wrapped}):
            return super()._prepare_for_training(*given)  # type: ignore[no-untyped-call]

    def training_step(self, model: Any, inputs: Any, num_items_in_batch: Any = 1.0) -> torch.Tensor:
        objective, share = self.objective, inputs
        objective.step = self.state.global_step
        if isinstance(objective, collectives.DistributedPreferenceObjective):
            objective.idle = not share.active
        with objective.context(self.model):
            loss: torch.Tensor = model(share.batch) / num_items_in_batch * float(share.active)
            if self.is_deepspeed_enabled:
                collectives.reject_running_averages(objective)
            # The loss is divided by the whole step's amount already.
            own = {"scale_wrt_gas": False} if self.is_deepspeed_enabled else {}
            self.accelerator.backward(loss * self.processes, **own)
        self._sum += loss.detach()
        return loss.detach()

    def pop_mean_loss(self) -> float:
        dist.all_reduce(self._sum)
        return super().pop_mean_loss()

    # What the first process does for all

    def validate(self) -> None:
        if self.first:
            super().validate()

    @property
    def stopped(self) -> bool:
        return collectives.broadcast(super().stopped)

    def save_model(self, output_dir: str | None = None, _internal_call: bool = False) -> None:
        if self.first:
            super().save_model(output_dir, _internal_call)

    def mark_complete(self, root: Path, folder: Path) -> None:
        dist.barrier()  # all have written what is theirs
        if self.first:
            super().mark_complete(root, folder)

    def last_checkpoint(self) -> Path | None:
        return collectives.broadcast(super().last_checkpoint() if self.first else None)
