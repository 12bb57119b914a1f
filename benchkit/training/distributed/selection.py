"""Selection of weights and checkpoints where several processes train: rank 0 does it for all."""

from pathlib import Path

import torch.distributed as dist

from benchkit.training.core.weight_selection import WeightSelection
from benchkit.training.distributed import collectives


class RankZeroSelection(WeightSelection):
    """Rank 0 alone validates, selects, writes checkpoints and decides to stop."""

    @property
    def first(self) -> bool:
        """Whether this is the process that does it."""
        return dist.get_rank() == 0

    def pop_mean_loss(self) -> float:
        dist.all_reduce(self._sum)
        return super().pop_mean_loss()

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
        dist.barrier()  # all have written their part
        if self.first:
            super().mark_complete(root, folder)

    def last_checkpoint(self) -> Path | None:
        return collectives.broadcast(super().last_checkpoint() if self.first else None)
