"""RecExplainer's connectors: vectors of the expert as input embeddings of the language model.

Lei et al., RecExplainer: Aligning Large Language Models for Explaining Recommendation Models, KDD
2024, intention alignment.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from benchkit.lm.injection.soft_embeddings import SoftEmbeddings
from benchkit.training.core.config import TrainConfig
from benchkit.training.core.examples import Example
from benchkit.training.core.training_context import training_context
from benchkit.training.sft import SFTObjective
from benchkit.training.train import train_on_objective
from benchkit.types import RunContext


class Connectors(nn.Module):
    """One connector for items and one for users: Linear(d, h/2) - GELU - Linear(h/2, h)."""

    def __init__(self, size: int, hidden: int) -> None:
        super().__init__()

        def connector() -> nn.Module:
            return nn.Sequential(
                nn.Linear(size, hidden // 2), nn.GELU(), nn.Linear(hidden // 2, hidden)
            )

        self.item, self.user = connector(), connector()

    def forward(self, rows: Tensor) -> Tensor:
        """Map rows [n, d + 1], whose last number is 1 for a user, to [n, hidden]."""
        vectors, is_user = rows[:, :-1], rows[:, -1:] > 0
        return torch.where(is_user, self.user(vectors), self.item(vectors))


class VectorTable:
    """The expert's vectors in a language model: those of all items, then of some users."""

    def __init__(self, expert: Any, model: Any, run: RunContext) -> None:
        self.expert = expert
        items = expert.item_embeddings.detach().float().cpu()
        embedding = model.get_input_embeddings()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(int(run.generator("connectors").integers(2**31)))
            connectors = Connectors(items.shape[1], embedding.weight.shape[1])
        self.items = _flag(items, 0.0)
        self.soft = SoftEmbeddings(self.items, connectors, embedding)
        self.soft.attach(model)
        self.soft.to(embedding.weight.device)

    def load_users(self, histories: Sequence[NDArray[np.integer]]) -> None:
        """Hold the expert's states after these histories of item codes, behind the items."""
        rows = [self.items]
        if histories:
            rows.append(_flag(self.expert.user_states(histories).float().cpu(), 1.0))
        self.soft.table = torch.cat(rows).to(self.soft.table.device)


@dataclass
class ConnectorObjective(SFTObjective):
    """Cross-entropy on responses, with connectors that are trained beside the model."""

    soft: SoftEmbeddings | None = None
    lr: float = 0.0
    """Learning rate of the connectors."""

    @property
    def module(self) -> Any:  # type: ignore[override]
        return self.soft

    @property
    def module_lr(self) -> float:  # type: ignore[override]
        return self.lr


def _flag(vectors: Tensor, value: float) -> Tensor:
    """Append a column of a constant to vectors [n, d]."""
    return torch.cat([vectors, torch.full((len(vectors), 1), value)], dim=1)


def train_with_connectors(
    model: Any,
    examples: Sequence[Example],
    table: VectorTable,
    settings: TrainConfig,
    run: RunContext,
    validation: Sequence[Example],
    identity: object,
) -> Any:
    """Train a model and its connectors on the responses of examples; see `train_sft`.

    Args:
        model: The model to which the table is attached.
        examples: What to train on; its vectors are those of the table.
        table: The expert's vectors.
        settings: How to train; the connectors have the model's learning rate.
        run: Seed, device, folders and progress.
        validation: Examples whose loss selects the weights; none: the last are kept.
        identity: What the vectors depend on.
    """
    objective = ConnectorObjective(
        settings.train_on_prompt, soft=table.soft, lr=settings.learning_rate
    )
    with training_context(run.device):
        return train_on_objective(
            model, examples, objective, settings, run, validation=validation or None,
            identity=identity,
        )  # fmt: skip
