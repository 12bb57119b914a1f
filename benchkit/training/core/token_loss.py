"""The token losses of a language model; nothing else computes them."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch.nn.functional import cross_entropy

from benchkit.lm.architecture import unwrap_peft
from benchkit.lm.packing.token_logprobs import fits_in_memory, lm_head_logits, target_logprobs


@contextmanager
def select_logit_positions(model: torch.nn.Module, positions: torch.Tensor) -> Iterator[None]:
    """Make the model compute logits only at the n `positions`: [n, vocabulary].

    Works with every model that calls its output layer once, on hidden states [B, T, H]; whatever
    the model does to its logits afterwards still happens.

    Args:
        model: A causal language model of transformers.
        positions: [B, T] boolean.
    """
    head = model.get_output_embeddings()  # type: ignore[operator]

    def select(_: torch.nn.Module, hidden: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor]:
        return (hidden[0][positions],)

    handle = head.register_forward_pre_hook(select)
    try:
        yield
    finally:
        handle.remove()


def label_losses(
    model: torch.nn.Module, batch: Mapping[str, torch.Tensor]
) -> tuple[torch.Tensor, torch.Tensor]:
    """Compute -log p of each label given the tokens left of it.

    Args:
        model: A causal language model of transformers.
        batch: `labels` and `weights` [B, T] of `collate`; the rest is passed to the model.

    Returns:
        [n] losses and [n] weights, float32, of the n labels.
    """
    inputs = {name: value for name, value in batch.items() if name not in ("labels", "weights")}
    labels, weights = batch["labels"], batch["weights"]
    next_labels, is_label = labels[:, 1:], labels[:, 1:] >= 0
    positions = torch.zeros_like(labels, dtype=torch.bool)
    positions[:, :-1] = is_label
    next_labels = next_labels[is_label]
    losses = None
    if not fits_in_memory(unwrap_peft(model), len(next_labels)):
        losses = _losses_in_chunks(model, inputs, positions, next_labels)
    if losses is None:
        with select_logit_positions(model, positions):
            logits = model(**inputs, use_cache=False).logits
        if logits.dtype in (torch.float16, torch.bfloat16):
            logits = logits.float()
        losses = cross_entropy(logits, next_labels, reduction="none")
    return losses, weights[:, 1:][is_label]


def _losses_in_chunks(
    model: Any, inputs: Mapping[str, torch.Tensor], positions: torch.Tensor, labels: torch.Tensor
) -> torch.Tensor | None:
    """Compute the losses without storing logits; None if the model scales its logits otherwise.

    The model itself computes the logits of one position, by which its scaling is checked.
    """
    states: list[torch.Tensor] = []

    def take(_: torch.nn.Module, hidden: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor]:
        states.append(hidden[0][positions])
        return (states[0][:1],)

    handle = model.get_output_embeddings().register_forward_pre_hook(take)
    try:
        first = model(**inputs, use_cache=False).logits
    finally:
        handle.remove()
    with torch.no_grad():
        scaled = lm_head_logits(unwrap_peft(model), states[0][:1])
        if not torch.allclose(first.float(), scaled, rtol=1e-3, atol=1e-3):
            return None
    return -target_logprobs(model, states[0], labels)
