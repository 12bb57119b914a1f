"""The token losses of a language model; nothing else computes them."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch.nn.functional import cross_entropy
from torch.utils.checkpoint import checkpoint

_CHUNK = 2**25  # logits that are in memory in float32 at once, in training and evaluation


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
    with select_logit_positions(model, positions):
        logits = model(**inputs, use_cache=False).logits
    return _losses(logits, next_labels[is_label]), weights[:, 1:][is_label]


def _losses(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Return each row's cross-entropy in float32; large ones in parts, recomputed in backward."""
    rows = max(1, _CHUNK // logits.shape[-1])
    if len(labels) <= rows:
        return _part(logits, labels)
    parts = zip(torch.split(logits, rows), torch.split(labels, rows), strict=True)
    return torch.cat([checkpoint(_part, *part, use_reentrant=False) for part in parts])


def _part(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    if logits.dtype in (torch.float16, torch.bfloat16):
        logits = logits.float()
    return cross_entropy(logits, labels, reduction="none")
