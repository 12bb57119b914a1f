"""SLMRec's parts around the language model, and its losses.

Reference: Xu et al., SLMRec: Distilling Large Language Models into Small for Sequential
Recommendation, ICLR 2025, and its official code.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchkit.lm.architecture import unwrap_peft
from benchkit.lm.injection.soft_embeddings import SoftEmbeddings

L2_WEIGHT = 0.1  # of the distance between hidden states, beside the cosine


@dataclass(frozen=True, slots=True)
class ItemExample:
    """Token ids, some of them of items, and the code of the item that follows."""

    ids: tuple[int, ...]
    target: int


class ItemScorer(nn.Module):
    """What is trained beside the model: the projection of items, and linear heads to score them.

    The last head scores after the last layer; the others (multi-supervision) read the ends of the
    blocks before the last, and are used in training alone.
    """

    def __init__(self, table: Tensor, model: Any, blocks: int) -> None:
        super().__init__()
        hidden, size = model.get_input_embeddings().weight.shape[1], table.shape[1]
        projector = nn.Linear(size, hidden)
        self.soft = SoftEmbeddings(table, projector, model.get_input_embeddings())
        self.heads = nn.ModuleList(nn.Linear(hidden, size, bias=False) for _ in range(blocks))

    def scores(self, states: Tensor, block: int = -1) -> Tensor:
        """Compute [b, n_items] products of the items and the head's view of states [b, hidden]."""
        projected: Tensor = self.heads[block](states.float())
        return projected @ self.soft.table.T


def pad_ids(rows: Sequence[Sequence[int]]) -> dict[str, Tensor]:
    """Return `input_ids` [b, t], padded on the right, where causality hides it; `last` [b]."""
    ids = np.zeros((len(rows), max(map(len, rows))), dtype=np.int64)
    for place, row in zip(ids, rows, strict=True):
        place[: len(row)] = row
    last = torch.tensor([len(row) - 1 for row in rows])
    return {"input_ids": torch.from_numpy(ids), "last": last}


def block_states(model: Any, batch: Mapping[str, Tensor], blocks: int) -> list[Tensor]:
    """Compute the hidden states [b, hidden] of the last tokens at the end of each block.

    Those of the last block have passed the model's last normalisation.
    """
    decoder = unwrap_peft(model).get_decoder()
    every, remainder = divmod(len(decoder.layers), blocks)
    if remainder:
        raise ValueError(f"{blocks} blocks do not divide the model's layers")
    states: list[Tensor] = []

    def record(_: nn.Module, __: Any, output: Any) -> None:
        states.append(output[0] if isinstance(output, tuple) else output)

    # Transformers itself returns states only in the process that has made the model.
    ends = decoder.layers[every - 1 : -1 : every]
    handles = [layer.register_forward_hook(record) for layer in ends]
    try:
        out = decoder(input_ids=batch["input_ids"], use_cache=False)
    finally:
        for handle in handles:
            handle.remove()
    rows = torch.arange(len(batch["last"]), device=batch["last"].device)
    return [state[rows, batch["last"]] for state in (*states, out.last_hidden_state)]


def distillation_losses(
    student: Sequence[Tensor],
    teacher: Sequence[Tensor],
    cosine_weight: float,
    l2_weight: float = L2_WEIGHT,
) -> Tensor:
    """Compute [b] sums over blocks of cosine_weight (1 - cos) + l2_weight (Euclidean distance).

    Args:
        student: [b, hidden] states at the end of each block.
        teacher: As many, of the same shape; no gradient reaches them.
        cosine_weight: Weight of 1 - cos, lambda.
        l2_weight: Weight of the distance.
    """
    total = torch.zeros(len(student[0]), device=student[0].device)
    for ours, theirs in zip(student, teacher, strict=True):
        ours, theirs = ours.float(), theirs.detach().float()
        distance = torch.linalg.vector_norm(ours - theirs, dim=-1)
        similarity = F.cosine_similarity(ours, theirs, dim=-1)
        total = total + cosine_weight * (1 - similarity) + l2_weight * distance
    return total


@dataclass
class NextItemObjective:
    """Cross-entropy over the catalogue, at block ends, too, and the distance from a teacher.

    Each term is a mean over the examples of a step.
    """

    module: ItemScorer
    module_lr: float
    supervision_weight: float = 0.0
    """Weight of the cross-entropies of blocks before the last."""
    teacher_states: Callable[[Mapping[str, Tensor]], list[Tensor]] | None = None
    """Computes the teacher's states of a batch at block ends."""
    cosine_weight: float = 1.0
    step: int = 0

    def context(self, model: Any) -> AbstractContextManager[None]:
        return nullcontext()

    def size(self, example: ItemExample) -> int:
        return len(example.ids)

    def collate(self, examples: Sequence[ItemExample]) -> dict[str, Tensor]:
        target = torch.tensor([example.target for example in examples])
        return {**pad_ids([example.ids for example in examples]), "target": target}

    def normalizer(self, batch: Mapping[str, Tensor]) -> float:
        return float(len(batch["target"]))

    def loss(self, model: nn.Module, batch: Mapping[str, Tensor]) -> Tensor:
        blocks = len(self.module.heads)
        states = block_states(model, batch, blocks)
        loss = F.cross_entropy(self.module.scores(states[-1]), batch["target"], reduction="sum")
        if self.supervision_weight:
            for block in range(blocks - 1):
                scores = self.module.scores(states[block], block)
                early = F.cross_entropy(scores, batch["target"], reduction="sum")
                loss = loss + self.supervision_weight * early
        if self.teacher_states is not None:
            theirs = self.teacher_states(batch)
            loss = loss + distillation_losses(states, theirs, self.cosine_weight).sum()
        return loss
