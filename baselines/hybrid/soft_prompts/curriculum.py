"""LLaRA's curriculum: from prompts of text alone to prompts with vectors of items.

Liao et al., LLaRA: Large Language-Recommendation Assistant, SIGIR 2024. The two prompts of an
example differ only in the ids at the places of items, so one is made from the other.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from benchkit.lm.injection.soft_prompts import NO_ITEM
from benchkit.training.sft import SFTObjective

if TYPE_CHECKING:
    import torch


def hybrid_probability(step: int, total: int) -> float:
    """Return how likely step t of T has prompts with vectors: t / T.

    >>> [hybrid_probability(step, 8) for step in (0, 4, 8)]
    [0.0, 0.5, 1.0]
    """
    return step / total


def draw_hybrid_steps(total: int, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Draw for steps 1 to `total` whether their prompts have vectors; the last one's have."""
    probability = [hybrid_probability(step, total) for step in range(1, total + 1)]
    return rng.random(total) < np.array(probability)


@dataclass
class CurriculumObjective(SFTObjective):
    """Cross-entropy on responses, after hybrid or plain prompts, the same for a whole step.

    In a plain prompt the placeholders stand for no item, and nothing of the projector is computed.
    Outside training all prompts are hybrid, as the model is asked later.
    """

    module: Any = None
    """`SoftEmbeddings`, which insert the vectors; trained beside the model."""
    module_lr: float = 0.0
    """Learning rate of the projector."""
    hybrid_steps: NDArray[np.bool_] | None = None
    """[total] which steps have hybrid prompts; None for all."""

    def is_hybrid(self) -> bool:
        """Return whether the current step's prompts have vectors."""
        return self.hybrid_steps is None or bool(self.hybrid_steps[self.step])

    def loss(self, model: "torch.nn.Module", batch: "Mapping[str, torch.Tensor]") -> "torch.Tensor":
        if model.training and not self.is_hybrid():
            batch = {**batch, "input_ids": batch["input_ids"].clamp(max=NO_ITEM)}
        return super().loss(model, batch)
