"""In which order examples are seen, and how many steps that makes."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from benchkit.training.core.config import TrainConfig

_GROUP = 50  # batches that are sorted by length together


@dataclass(frozen=True)
class StepPlan:
    """How long training takes, in steps: a pass, all of it, between evaluations, checkpoints."""

    steps_per_epoch: int
    total_steps: int
    evaluation_interval: int
    checkpoint_interval: int

    @classmethod
    def from_config(cls, config: TrainConfig, examples: int) -> Self:
        epoch = math.ceil(examples / config.batch_size)
        total = math.ceil(config.epochs * epoch - 1e-9)
        unit = epoch if config.unit == "epochs" else 1

        def every(share: float) -> int:
            return max(1, round(share * unit))

        return cls(
            epoch,
            min(total, config.max_steps or total),
            every(config.evaluate_every),
            every(config.checkpoint_every),
        )


def epoch_order(
    rng: np.random.Generator, lengths: Sequence[int], batch: int, group: bool
) -> NDArray[np.int64]:
    """[n] the examples of one epoch, shuffled; a batch is `batch` in a row.

    group: examples of like length share a batch, and the batches are shuffled.
    """
    order = rng.permutation(len(lengths))
    if not group:
        return order
    sizes = np.asarray(lengths)
    size = _GROUP * batch
    blocks = [order[start : start + size] for start in range(0, len(order), size)]
    order = np.concatenate([block[np.argsort(-sizes[block], kind="stable")] for block in blocks])
    whole = len(order) // batch * batch  # a smaller last batch stays the last
    batches = order[:whole].reshape(-1, batch)
    return np.concatenate([batches[rng.permutation(len(batches))].ravel(), order[whole:]])


class MicroBatchSampler:
    """The examples of each micro-batch of an epoch, as PyTorch's `batch_sampler`.

    order: gives the order of an epoch. epoch: says which epoch begins; asked when iterated.
    """

    def __init__(
        self,
        order: Callable[[int], NDArray[np.int64]],
        epoch: Callable[[], int],
        examples: int,
        size: int,
    ) -> None:
        self._order, self._epoch, self._examples, self._size = order, epoch, examples, size

    def __len__(self) -> int:
        return math.ceil(self._examples / self._size)

    def __iter__(self) -> Iterator[list[int]]:
        order = self._order(self._epoch()).tolist()
        for start in range(0, len(order), self._size):
            yield order[start : start + self._size]


class DistributedMicroBatchSampler:
    """The micro-batches of an epoch that one of several processes computes, as a `batch_sampler`.

    The micro-batches of a step are dealt out in turn, so that all processes together see what one
    process alone would see. Where they do not come out even, the last ones get an empty list: all
    have as many a step. order, epoch: as of `MicroBatches`. batch, size: examples of a step and of
    a micro-batch.
    """

    def __init__(
        self,
        order: Callable[[int], NDArray[np.int64]],
        epoch: Callable[[], int],
        examples: int,
        batch: int,
        size: int,
        rank: int,
        processes: int,
    ) -> None:
        self._order, self._epoch, self._examples = order, epoch, examples
        self._batch, self._size, self._rank, self._processes = batch, size, rank, processes

    def __len__(self) -> int:
        whole, rest = divmod(self._examples, self._batch)
        return whole * self._turns(self._batch) + self._turns(rest)

    def _turns(self, examples: int) -> int:
        return math.ceil(math.ceil(examples / self._size) / self._processes)

    def __iter__(self) -> Iterator[list[int]]:
        order = self._order(self._epoch()).tolist()
        for start in range(0, len(order), self._batch):
            step = order[start : start + self._batch]
            dealt = [step[at : at + self._size] for at in range(0, len(step), self._size)]
            dealt += [[] for _ in range(-len(dealt) % self._processes)]
            yield from dealt[self._rank :: self._processes]
