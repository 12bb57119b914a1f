"""The order in which examples are trained on, and the number of steps that follows from it."""

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
    """The length of a training and its intervals, in optimizer steps."""

    steps_per_epoch: int
    total_steps: int
    evaluation_interval: int
    checkpoint_interval: int

    @classmethod
    def from_config(cls, config: TrainConfig, examples: int) -> Self:
        """Count the steps of a training on `examples` examples."""
        epoch = math.ceil(examples / config.batch_size)
        planned = math.ceil(config.epochs * epoch - 1e-9)
        total = max(planned, config.min_steps or 0)
        # A training that is longer than its epochs is validated as often as they say, not more.
        unit = epoch * total / planned if config.unit == "epochs" else 1

        def to_steps(share: float) -> int:
            return max(1, round(share * unit))

        return cls(
            epoch,
            min(total, config.max_steps or total),
            to_steps(config.evaluate_every),
            to_steps(config.checkpoint_every),
        )


def with_warmup_steps(config: TrainConfig, steps: int, examples: int) -> TrainConfig:
    """Return the settings with a warm-up of so many steps, at most half of all, on `examples`."""
    share = min(0.5, steps / StepPlan.from_config(config, max(1, examples)).total_steps)
    return config.model_copy(update={"warmup": share})


def epoch_order(
    rng: np.random.Generator, lengths: Sequence[int], batch: int, group: bool
) -> NDArray[np.int64]:
    """Shuffle the examples of one epoch.

    Args:
        rng: Draws the order.
        lengths: [n] tokens of each example.
        batch: Examples of a step.
        group: Put examples of similar length into the same batch, and shuffle the batches.

    Returns:
        [n] example numbers; each run of `batch` numbers is one batch.
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
    """The micro-batches of one epoch that one process computes, as PyTorch's `batch_sampler`.

    The micro-batches of a step are dealt to the processes in turn, so that together they see what
    a single process would see. If they do not come out even, the last processes get an empty list,
    so that all have equally many per step.

    Args:
        order: Returns the order of an epoch.
        epoch: Returns the number of the epoch that begins; called on each iteration.
        examples: Number of examples.
        batch: Examples of a step; a multiple of `size`.
        size: Examples of a micro-batch.
        rank: Number of this process.
        processes: Number of processes.
    """

    def __init__(
        self,
        order: Callable[[int], NDArray[np.int64]],
        epoch: Callable[[], int],
        examples: int,
        batch: int,
        size: int,
        rank: int = 0,
        processes: int = 1,
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
            micro = [step[at : at + self._size] for at in range(0, len(step), self._size)]
            micro += [[] for _ in range(-len(micro) % self._processes)]
            yield from micro[self._rank :: self._processes]
