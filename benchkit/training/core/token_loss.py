"""What a language model says of the labels of a batch, computed nowhere else."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch.nn.functional import cross_entropy
from torch.utils.checkpoint import checkpoint

_CHUNK = 2**25  # logits that are in memory in float32 at once, in training and evaluation


@contextmanager
def select_logit_positions(model: torch.nn.Module, positions: torch.Tensor) -> Iterator[None]:
    """Have the model compute logits at some positions only: [n, vocabulary] instead of [B, T, .].

    positions: [B, T] boolean. Works with every model whose output layer is called once, on hidden
    states [B, T, H]; what the model does to its logits afterwards is left to it.
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
    """-log p of each label given what is left of it, and its weight: [n] and [n], float32.

    batch: `labels` and `weights`, [B, T], as `collate` makes them; the rest goes to the model.
    """
    inputs = {name: value for name, value in batch.items() if name not in ("labels", "weights")}
    labels, weights = batch["labels"], batch["weights"]
    wanted = torch.zeros_like(labels, dtype=torch.bool)
    wanted[:, :-1] = labels[:, 1:] >= 0
    with select_logit_positions(model, wanted):
        logits = model(**inputs, use_cache=False).logits
    here = labels[:, 1:] >= 0
    return _losses(logits, labels[:, 1:][here]), weights[:, 1:][here]


def _losses(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Cross-entropy of each row in float32; a large one in parts that backward computes again."""
    rows = max(1, _CHUNK // logits.shape[-1])
    if len(labels) <= rows:
        return _part(logits, labels)
    parts = zip(torch.split(logits, rows), torch.split(labels, rows), strict=True)
    return torch.cat([checkpoint(_part, *part, use_reentrant=False) for part in parts])


def _part(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    if logits.dtype in (torch.float16, torch.bfloat16):
        logits = logits.float()
    return cross_entropy(logits, labels, reduction="none")
