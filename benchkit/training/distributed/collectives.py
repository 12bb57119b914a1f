"""What the processes of one training tell each other, beside gradients."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor

from benchkit.errors import ConfigError
from benchkit.training.core.trainer import Objective
from benchkit.training.preference.loss_spec import PairTerms
from benchkit.training.preference.objective import PreferenceObjective

_T = TypeVar("_T")


def broadcast(value: _T) -> _T:
    """What the first process has, in all of them."""
    told = [value]
    dist.broadcast_object_list(told, src=0)
    return told[0]


def all_gather(value: _T) -> list[_T]:
    """[processes] what each has, in their order."""
    told: list[Any] = [None] * dist.get_world_size()
    dist.all_gather_object(told, value)
    return told


def all_reduce_sum(value: float, device: torch.device) -> float:
    """The sum of what each has."""
    told = torch.tensor(value, dtype=torch.float64, device=device)
    dist.all_reduce(told)
    return float(told)


def distribute_objective(objective: Objective[Any], rank: int) -> Objective[Any]:
    """The objective of one of several processes.

    Preference objectives may carry something from micro-batch to micro-batch, and write a log;
    other objectives must depend on nothing but the model and the batch.
    """
    if isinstance(objective, PreferenceObjective):
        own = {field.name: getattr(objective, field.name) for field in fields(PreferenceObjective)}
        return DistributedPreferenceObjective(**own, rank=rank)
    return objective


@dataclass
class DistributedPreferenceObjective(PreferenceObjective):
    """Every process sees the utilities of all micro-batches, one after another as one would.

    So running averages that a method keeps (beta-DPO) are the same everywhere and those of one
    process alone; the first writes the log for all. idle: whether the micro-batch at hand is none
    of the step's, and counts for nothing. kept_by_hand: whether the method changes its module's
    parameters itself.
    """

    rank: int = 0
    idle: bool = False
    self_updating: bool = False

    def pairs(
        self, fields: Mapping[str, Tensor], d: Tensor, present: Tensor, training: bool
    ) -> PairTerms:
        if not training:
            return self.loss_spec.pairs(fields, d, False)
        before = self._versions()
        mine = None if self.idle else _on_cpu(fields, d, present)
        own: PairTerms | None = None
        for rank, told in enumerate(all_gather(mine)):
            if told is None:
                continue
            if rank == self.rank:
                own = pairs = self.loss_spec.pairs(fields, d, True)
                seen = (fields, d, present)
            else:
                seen = _to(d.device, *told)
                with torch.no_grad():
                    pairs = self.loss_spec.pairs(*seen[:2], True)
            if self.rank == 0:
                self.record(*seen, pairs)
        self.self_updating = self._versions() != before
        return self.loss_spec.pairs(fields, d, False) if own is None else own

    def _versions(self) -> list[int]:
        return [] if self.module is None else [p._version for p in self.module.parameters()]


GatheredBatch = tuple[Mapping[str, Tensor], Tensor, Tensor]


def _on_cpu(fields: Mapping[str, Tensor], d: Tensor, present: Tensor) -> GatheredBatch:
    return _to(torch.device("cpu"), fields, d, present)


def _to(
    device: torch.device, fields: Mapping[str, Tensor], d: Tensor, present: Tensor
) -> GatheredBatch:
    there = {name: value.to(device) for name, value in fields.items()}
    return there, d.to(device), present.to(device)


def reject_running_averages(objective: Objective[Any]) -> None:
    """Raise ConfigError where the method keeps numbers that DeepSpeed would overwrite.

    They are known by being single numbers, and at the latest by having been changed.
    """
    module = objective.module
    single = module is not None and any(p.dim() == 0 for p in module.parameters())
    if single or getattr(objective, "self_updating", False):
        raise ConfigError(
            "the method keeps running averages beside the model, which DeepSpeed would reset"
            " after each step",
            "leave out train.accelerate: without it gradients are exchanged by PyTorch",
        )
