"""What a model says of drawn answers, token by token, under the prompt that they share."""

from typing import Any

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from benchkit.lm import shared_prefix as sp
from benchkit.training.rl import policy_gradient as pg

_LOGITS_AT_ONCE = 64 << 20  # numbers: 256 MB of float32


def rollout_logprobs(
    model: Any, packed: sp.PackedBatch, temperature: float, allowed: Tensor
) -> Tensor:
    """[b, t] float32 log-probability of each response token at the temperature, 0 at padding.

    allowed: [b, t, m] the tokens that each was chosen from, filled up with -1; only -1 for all.
    To be called inside `shared_prefix`.
    """
    valid = packed.layout.block >= 0
    causal = sp.unwrap_peft(model)

    def piece(state: Tensor, target: Tensor, options: Tensor) -> Tensor:
        scores = sp.lm_head_logits(causal, state) / temperature
        total = scores.logsumexp(dim=-1)
        if options.shape[-1]:
            some = scores.gather(-1, options.clamp(min=0)).masked_fill(options < 0, -torch.inf)
            limited = (options >= 0).any(dim=-1)
            # A row of -inf has no gradient: a finite stand-in where all tokens are allowed.
            among = some.masked_fill(~limited[:, None], 0.0).logsumexp(dim=-1)
            total = torch.where(limited, among, total)
        return scores.gather(-1, target[:, None])[:, 0] - total

    states = sp.hidden_states(model, packed)[valid]
    parts = _parts(causal, states, packed.target[valid], allowed[valid])
    if torch.is_grad_enabled() and len(parts) > 1:
        found = torch.cat([checkpoint(piece, *part, use_reentrant=False) for part in parts])
    else:
        found = torch.cat([piece(*part) for part in parts])
    return torch.zeros(valid.shape, device=found.device).masked_scatter(valid, found)


def rollout_certainty(
    model: Any, packed: sp.PackedBatch, temperature: float, counted: Tensor
) -> Tensor:
    """[b, t] self-certainty at each response token that is counted, 0 elsewhere.

    Over the whole vocabulary, without gradients. To be called inside `shared_prefix`.
    """
    causal = sp.unwrap_peft(model)
    states = sp.hidden_states(model, packed)[counted]
    found = [
        pg.self_certainty(sp.lm_head_logits(causal, part) / temperature)
        for (part,) in _parts(causal, states)
    ]
    total = torch.cat(found)
    return torch.zeros(counted.shape, device=total.device).masked_scatter(counted, total)


def _parts(causal: Any, *rows: Tensor) -> list[tuple[Tensor, ...]]:
    """Rows in pieces whose logits fit in memory."""
    at_once = max(1, _LOGITS_AT_ONCE // causal.get_output_embeddings().weight.shape[0])
    return list(zip(*(torch.split(each, at_once) for each in rows), strict=True))
