"""Vectors of texts: the mean of a model's last hidden states."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from benchkit.lm.architecture import unwrap_peft


def masked_mean_states(states: Tensor, mask: Tensor) -> Tensor:
    """Average [b, t, d] states over the tokens where the [b, t] mask is set, float32 [b, d]."""
    weight = mask.to(torch.float32)
    total = torch.einsum("btd,bt->bd", states.float(), weight)
    return total / weight.sum(dim=1, keepdim=True).clamp(min=1)


@torch.inference_mode()
def mean_states(
    model: Any, texts: Sequence[Sequence[int]], skip: int = 0, batch_tokens: int = 8192
) -> Tensor:
    """Average the last hidden states of each text.

    Texts are padded on the right and read without an attention mask: no token sees what is right
    of it.

    Args:
        model: A causal language model of transformers, in evaluation mode.
        texts: Token ids; none is empty.
        skip: Leave out the states of the first so many tokens; each text has more.
        batch_tokens: Most tokens of a forward pass, padding included; a single text may have more.

    Returns:
        [n, d] float32 on the model's device.
    """
    decoder = unwrap_peft(model).get_decoder()
    device = next(model.parameters()).device
    order = sorted(range(len(texts)), key=lambda row: len(texts[row]))
    vectors: list[Tensor] = [torch.empty(0)] * len(texts)
    while order:
        size = 1
        while size < len(order) and (size + 1) * len(texts[order[size]]) <= batch_tokens:
            size += 1
        rows, order = order[:size], order[size:]
        ids, mask = pad_right([texts[row] for row in rows])
        mask[:, :skip] = False
        states = decoder(input_ids=ids.to(device), use_cache=False).last_hidden_state
        for row, vector in zip(rows, masked_mean_states(states, mask.to(device)), strict=True):
            vectors[row] = vector
    return torch.stack(vectors)


def pad_right(texts: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
    """Return [b, t] token ids, padded by 0, and [b, t] which of them are a text's."""
    width = max(map(len, texts))
    ids = torch.zeros(len(texts), width, dtype=torch.long)
    mask = torch.zeros(len(texts), width, dtype=torch.bool)
    for row, text in enumerate(texts):
        ids[row, : len(text)] = torch.tensor(text, dtype=torch.long)
        mask[row, : len(text)] = True
    return ids, mask
