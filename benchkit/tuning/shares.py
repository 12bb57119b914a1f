"""The trainer of one of several processes that share every step of a training."""

from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import torch
import torch.distributed as dist

from benchkit.isolation import attributes
from benchkit.tuning import exchange
from benchkit.tuning.order import SharedMicroBatches
from benchkit.tuning.trainer import Batch, Tuner


class Share(NamedTuple):
    """A micro-batch. counts: False for one that only keeps a process in step with the others."""

    batch: Batch
    counts: bool


class LossOf(torch.nn.Module):
    """A module whose forward pass is the loss of a micro-batch.

    DistributedDataParallel and DeepSpeed prepare the exchange of gradients in their forward pass.
    Losses reach into the model, past any wrapper of it: so it is this that is wrapped.
    """

    def __init__(self, tuner: "SharedTuner") -> None:
        super().__init__()
        self.model = tuner.model
        self._total = tuner.total

    @property
    def config(self) -> Any:
        return self.model.config

    def forward(self, batch: Batch) -> torch.Tensor:
        return self._total(self.model, batch)


class SharedTuner(Tuner):
    """A step has the examples that it would have with one process, each computed by one of several.

    The loss is divided by the amount of all shares. Gradients are averaged over processes, so it is
    multiplied by their number; they are clipped after that. The first process alone validates,
    selects, writes checkpoints and decides to stop.
    """

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.rank, self.processes = self.args.process_index, self.args.world_size
        self.first = self.rank == 0
        self.objective = exchange.shared(self.objective, self.rank)
        if self.is_deepspeed_enabled:
            exchange.refuse_state(self.objective)
        self._smallest = min(range(len(self.lengths)), key=self.lengths.__getitem__)

    # Batches

    def micro_batches(self) -> Any:
        config = self.settings
        return SharedMicroBatches(
            self.order,
            self.epoch,
            len(self.lengths),
            config.batch_size,
            config.micro,
            self.rank,
            self.processes,
        )

    def collated(self, examples: Sequence[Any]) -> Share:
        # A process without work computes something all the same: DeepSpeed exchanges gradients in
        # the order in which they arise, which must be the same everywhere.
        own = examples or [self.train_dataset[self._smallest]]
        return Share(self.objective.collate(own), bool(examples))

    def get_batch_samples(
        self, epoch_iterator: Iterator[Any], num_batches: int, *_: Any
    ) -> tuple[list[Any], Any]:
        shares = list(islice(epoch_iterator, num_batches))
        own = sum(self.objective.amount(share.batch) for share in shares if share.counts)
        return shares, exchange.total(own, self.args.device)

    # A step

    def _prepare_for_training(self, *given: Any) -> Any:
        prepare = self.accelerator.prepare

        def wrapped(*objects: Any) -> Any:
            return prepare(*(LossOf(self) if part is self.model else part for part in objects))

        with attributes(self.accelerator, {"prepare": wrapped}):
            return super()._prepare_for_training(*given)  # type: ignore[no-untyped-call]

    def training_step(self, model: Any, inputs: Any, num_items_in_batch: Any = 1.0) -> torch.Tensor:
        objective, share = self.objective, inputs
        objective.step = self.state.global_step
        if isinstance(objective, exchange.SharedPreference):
            objective.idle = not share.counts
        with objective.around(self.model):
            loss: torch.Tensor = model(share.batch) / num_items_in_batch * float(share.counts)
            if self.is_deepspeed_enabled:
                exchange.refuse_state(objective)
            # The loss is divided by the whole step's amount already.
            own = {"scale_wrt_gas": False} if self.is_deepspeed_enabled else {}
            self.accelerator.backward(loss * self.processes, **own)
        self._sum += loss.detach()
        return loss.detach()

    def mean_since(self) -> float:
        dist.all_reduce(self._sum)
        return super().mean_since()

    # What the first process does for all

    def validate(self) -> None:
        if self.first:
            super().validate()

    @property
    def stopped(self) -> bool:
        return exchange.from_first(super().stopped)

    def save_model(self, output_dir: str | None = None, _internal_call: bool = False) -> None:
        if self.first:
            super().save_model(output_dir, _internal_call)

    def complete(self, root: Path, folder: Path) -> None:
        dist.barrier()  # all have written what is theirs
        if self.first:
            super().complete(root, folder)

    def last_checkpoint(self) -> Path | None:
        return exchange.from_first(super().last_checkpoint() if self.first else None)
