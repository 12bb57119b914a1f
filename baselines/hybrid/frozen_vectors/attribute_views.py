"""Contrastive fine-tuning on two views of an item's attributes, and the vectors it leads to.

Liu et al., LLMEmb, AAAI 2025, section "Supervised Contrastive Fine-Tuning".
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from baselines.hybrid.frozen_vectors.attribute_texts import ItemTexts
from benchkit import seeds
from benchkit.lm.architecture import unwrap_peft
from benchkit.training.core.config import TrainConfig
from benchkit.training.core.contrastive import info_nce, soft_info_nce


@dataclass(frozen=True)
class ViewBatch:
    """Items that are each other's negatives: one example of the trainer."""

    items: tuple[int, ...]
    seed: int
    """Decides the views."""


def make_view_batches(
    n_items: int, size: int, config: TrainConfig, rng: np.random.Generator
) -> list[ViewBatch]:
    """Cut passes over the catalogue, in random orders, into batches of at most `size` items.

    There are as many as `config` trains on: for its epochs, or its max_steps if those are fewer.
    No item is in a batch twice, where it would be its own negative.
    """
    per_pass = math.ceil(n_items / size)
    wanted = math.ceil(config.epochs * per_pass)
    if config.max_steps is not None:
        wanted = min(wanted, config.max_steps * config.batch_size)
    batches: list[ViewBatch] = []
    while len(batches) < wanted:
        parts = np.array_split(rng.permutation(n_items), per_pass)
        batches.extend(ViewBatch(tuple(part.tolist()), int(rng.integers(2**62))) for part in parts)
    return batches[:wanted]


def draw_view(count: int, dropout: float, rng: np.random.Generator) -> list[int]:
    """Return the numbers of the attributes of a view in random order, floor(dropout count) fewer.

    >>> len(draw_view(5, 0.4, np.random.default_rng(0))), draw_view(1, 0.4, np.random.default_rng())
    (3, [0])
    """
    order: list[int] = rng.permutation(count)[: count - int(dropout * count)].tolist()
    return order


class Temperature(nn.Module):
    """A learnt temperature; its logarithm is trained, so that it stays above 0."""

    def __init__(self, value: float) -> None:
        super().__init__()
        self.logarithm = nn.Parameter(torch.tensor(math.log(value)))

    def forward(self) -> Tensor:
        return self.logarithm.exp()


@dataclass
class ViewObjective:
    """InfoNCE between mean-pooled last hidden states of two views of each item of a batch."""

    texts: ItemTexts
    module: Temperature
    module_lr: float
    dropout: float = 0.4
    """Share of the attributes that a view lacks."""
    soft_targets: bool = False
    """Targets by similarity, with a gradient, as in the official code."""
    step: int = 0

    def context(self, model: nn.Module) -> AbstractContextManager[None]:
        return nullcontext()

    def size(self, example: ViewBatch) -> int:
        return len(example.items)

    def collate(self, examples: Sequence[ViewBatch]) -> dict[str, Tensor]:
        """Return padded `ids` [2 n, t] with their `lengths`, views 1 and 2 of a batch in turn.

        `sizes` [b] has the items of each batch; they sum to n.
        """
        rows: list[tuple[int, ...]] = []
        for batch in examples:
            for view in range(2):
                for item in batch.items:
                    rng = seeds.generator(batch.seed, "view", view, item)
                    count = len(self.texts.attributes[item])
                    rows.append(self.texts.ids(item, draw_view(count, self.dropout, rng)))
        sizes = torch.tensor([len(batch.items) for batch in examples])
        return {**pad_texts(rows), "sizes": sizes}

    def normalizer(self, batch: Mapping[str, Tensor]) -> float:
        return float(batch["sizes"].sum())

    def loss(self, model: nn.Module, batch: Mapping[str, Tensor]) -> Tensor:
        pooled = pooled_states(model, batch["ids"], batch["lengths"])
        total = pooled.new_zeros(())
        temperature, at = self.module(), 0
        for size in batch["sizes"].tolist():
            x, y = pooled[at : at + size], pooled[at + size : at + 2 * size]
            if self.soft_targets:
                mean = soft_info_nce(x, y, temperature, detach=False)
            else:
                mean = info_nce(x, y, temperature)
            total, at = total + size * mean, at + 2 * size
        return total


def pad_texts(rows: Sequence[Sequence[int]]) -> dict[str, Tensor]:
    """Return `ids` [n, longest], padded on the right, where causality hides it, and `lengths`."""
    ids = torch.zeros((len(rows), max(map(len, rows))), dtype=torch.long)
    for row, values in zip(ids, rows, strict=True):
        row[: len(values)] = torch.tensor(values)
    return {"ids": ids, "lengths": torch.tensor([len(values) for values in rows])}


def pooled_states(model: nn.Module, ids: Tensor, lengths: Tensor) -> Tensor:
    """Return [n, hidden] float32 means of the last hidden states of texts [n, t]."""
    decoder = unwrap_peft(model).get_decoder()
    states = decoder(input_ids=ids, use_cache=False).last_hidden_state.float()
    is_text = torch.arange(ids.shape[1], device=ids.device) < lengths[:, None]
    sums: Tensor = (states * is_text[..., None]).sum(dim=1)
    return sums / lengths[:, None]


@torch.no_grad()
def encode_items(
    model: nn.Module, texts: ItemTexts, device: str, batch_tokens: int = 8192
) -> NDArray[np.float32]:
    """Return [n_items, hidden] mean states of the whole texts, without padding between batches."""
    order = sorted(range(len(texts)), key=lambda item: len(texts.ids(item)))
    vectors: list[Tensor] = []
    for items in _batches(order, texts, batch_tokens):
        batch = pad_texts([texts.ids(item) for item in items])
        vectors.append(pooled_states(model, batch["ids"].to(device), batch["lengths"].to(device)))
    result = torch.empty_like(torch.cat(vectors), device="cpu")
    result[torch.tensor(order)] = torch.cat(vectors).cpu()
    pooled: NDArray[np.float32] = result.numpy()
    return pooled


def _batches(order: Sequence[int], texts: ItemTexts, limit: int) -> Iterator[list[int]]:
    """Cut items, the shortest text first, into batches of at most `limit` tokens with padding."""
    batch: list[int] = []
    for item in order:
        if batch and (len(batch) + 1) * len(texts.ids(item)) > limit:
            yield batch
            batch = []
        batch.append(item)
    yield batch


def principal_components(vectors: NDArray[np.floating], size: int) -> NDArray[np.float32]:
    """Return [n, k] centred vectors on their first k principal axes, k <= size, n and d.

    The sign of each axis makes its largest entry positive.
    """
    centred = vectors.astype(np.float64) - vectors.mean(axis=0, dtype=np.float64)
    _, _, axes = np.linalg.svd(centred, full_matrices=False)
    axes = axes[:size]
    largest = np.abs(axes).argmax(axis=1)
    axes *= np.sign(axes[np.arange(len(axes)), largest])[:, None]
    projected: NDArray[np.float32] = (centred @ axes.T).astype(np.float32)
    return projected
