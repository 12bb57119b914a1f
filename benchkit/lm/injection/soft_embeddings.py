"""Vectors of items in the place of token embeddings, as LLaRA and SLMRec have them.

Liao et al., LLaRA: Large Language-Recommendation Assistant, SIGIR 2024; Xu et al., SLMRec:
Distilling Large Language Models into Small for Sequential Recommendation, ICLR 2025.
"""

from typing import Any

import torch
from torch import Tensor, nn

from benchkit.lm.injection.soft_prompts import NO_ITEM


class SoftEmbeddings(nn.Module):
    """projector(table[item]) at each position whose id is that of an item (`item_token`).

    At a position of no particular item (`NO_ITEM`) stands the mean of the model's embeddings. The
    table and the mean are fixed; the model's own embeddings are only read. It works on a model
    from `attach` on, in every forward pass, also under an adapter.
    """

    table: Tensor
    """[n_items, d] item vectors, frozen."""
    neutral: Tensor
    """[hidden] what stands for no item."""

    def __init__(self, table: Tensor, projector: nn.Module, embedding: nn.Module) -> None:
        super().__init__()
        self.projector = projector
        self.register_buffer("table", table.detach().clone().float(), persistent=False)
        words: Any = embedding.weight
        self.register_buffer("neutral", words.detach().float().mean(dim=0), persistent=False)
        self._ids = torch.empty(0, dtype=torch.long)

    def vectors(self, codes: Tensor) -> Tensor:
        """Compute [n, hidden] vectors of item codes [n]."""
        projected: Tensor = self.projector(self.table[codes])
        return projected

    def attach(self, model: Any) -> None:
        """Let the embedding layer of `model` look up items here; other ids stay as they are."""
        embedding = model.get_input_embeddings()
        embedding.register_forward_pre_hook(self._hide_items)
        embedding.register_forward_hook(self._insert_vectors)

    def _hide_items(self, _: nn.Module, args: tuple[Any, ...]) -> tuple[Any, ...]:
        """Give the embedding layer ids that it knows; what it returns there is not read."""
        self._ids = args[0]
        return (self._ids.masked_fill(self._ids >= NO_ITEM, 0), *args[1:])

    def _insert_vectors(self, _: nn.Module, __: tuple[Any, ...], embedded: Tensor) -> Tensor:
        """Replace rows of `embedded` [b, t, hidden] where an item stands."""
        codes, kind = self._ids - (NO_ITEM + 1), embedded.dtype
        is_item, is_neutral = codes >= 0, codes == -1
        if is_neutral.any():
            embedded = torch.where(is_neutral[..., None], self.neutral.to(kind), embedded)
        if is_item.any():
            vectors = self.vectors(codes[is_item]).to(kind)
            embedded = embedded.masked_scatter(is_item[..., None], vectors)
        return embedded
