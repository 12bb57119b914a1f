"""The interface of a loss to the trainer."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol, TypeVar

import torch

TensorBatch = Mapping[str, torch.Tensor]
E_contra = TypeVar("E_contra", contravariant=True)


class Objective(Protocol[E_contra]):
    """A loss, as a sum over micro-batches and a normalizer by which their total is divided.

    Keeping the two apart makes a step the same however it is split into micro-batches. With
    several processes, the loss must depend only on the model and the batch; an objective that
    keeps state between micro-batches has a method `for_rank(rank)`, which returns the objective of
    one process. An objective whose batches are computed without padding has `packs = True`.
    """

    step: int
    """Optimizer steps done before the current one; set by the trainer."""

    @property
    def module(self) -> torch.nn.Module | None:
        """A module trained beside the model, or None."""

    @property
    def module_lr(self) -> float:
        """Learning rate of `module`."""

    def context(self, model: Any) -> AbstractContextManager[None]:
        """Return the context in which a step is computed, including its backward pass."""

    def size(self, example: E_contra) -> int:
        """Count the tokens of an example."""

    def collate(self, examples: Sequence[E_contra]) -> TensorBatch:
        """Build the tensors of a micro-batch."""

    def normalizer(self, batch: TensorBatch) -> float:
        """Return what a micro-batch counts for, for example the sum of its token weights."""

    def loss(self, model: torch.nn.Module, batch: TensorBatch) -> torch.Tensor:
        """Compute the scalar sum of a micro-batch's losses."""
