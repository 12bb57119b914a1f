"""TRL's trainer in one of several processes that share every step of a training."""

from benchkit.training.distributed.selection import RankZeroSelection
from benchkit.training.rl.trl_trainer import TRLTrainer


class DistributedTRLTrainer(RankZeroSelection, TRLTrainer):
    """TRL exchanges rewards and gradients; rank 0 selects weights and writes checkpoints."""
