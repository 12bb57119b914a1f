"""Exchange of values between the processes of one training; gradients are exchanged elsewhere."""

from typing import Any, TypeVar

import torch
import torch.distributed as dist

_T = TypeVar("_T")


def broadcast(value: _T) -> _T:
    """Return rank 0's value in all processes."""
    values = [value]
    dist.broadcast_object_list(values, src=0)
    return values[0]


def all_gather(value: _T) -> list[_T]:
    """Return the values of all processes, in the order of their ranks."""
    values: list[Any] = [None] * dist.get_world_size()
    dist.all_gather_object(values, value)
    return values


def all_reduce_sum(value: float, device: torch.device) -> float:
    """Return the sum of the values of all processes."""
    total = torch.tensor(value, dtype=torch.float64, device=device)
    dist.all_reduce(total)
    return float(total)
