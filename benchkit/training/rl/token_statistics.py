"""Log-probability and self-certainty of sampled answers' tokens, under their shared prompt."""

from typing import Any

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from benchkit.lm import shared_prefix as sp
from benchkit.lm.architecture import unwrap_peft
from benchkit.training.rl import policy_gradient as pg

_LOGITS_AT_ONCE = 64 << 20  # numbers: 256 MB of float32


def rollout_logprobs(
    model: Any, packed: sp.PackedBatch, temperature: float, allowed: Tensor
) -> Tensor:
    """Compute the log-probability of each response token; call it inside `use_shared_prefix`.

    Args:
        model: The policy or the reference.
        packed: Prompts with t response tokens each.
        temperature: Of the distributions.
        allowed: [b, t, m] the tokens that each was chosen from, padded with -1; only -1 for all.

    Returns:
        [b, t] float32, 0 at padding.
    """
    valid = packed.layout.block >= 0
    causal = unwrap_peft(model)

    def piece(state: Tensor, target: Tensor, options: Tensor) -> Tensor:
        scores = sp.lm_head_logits(causal, state) / temperature
        total = scores.logsumexp(dim=-1)
        if options.shape[-1]:
            of_options = scores.gather(-1, options.clamp(min=0))
            of_options = of_options.masked_fill(options < 0, -torch.inf)
            limited = (options >= 0).any(dim=-1)
            # A row of -inf has no gradient: a finite stand-in where all tokens are allowed.
            limited_total = of_options.masked_fill(~limited[:, None], 0.0).logsumexp(dim=-1)
            total = torch.where(limited, limited_total, total)
        return scores.gather(-1, target[:, None])[:, 0] - total

    states = sp.hidden_states(model, packed)[valid]
    parts = _parts(causal, states, packed.target[valid], allowed[valid])
    if torch.is_grad_enabled() and len(parts) > 1:
        values = torch.cat([checkpoint(piece, *part, use_reentrant=False) for part in parts])
    else:
        values = torch.cat([piece(*part) for part in parts])
    return torch.zeros(valid.shape, device=values.device).masked_scatter(valid, values)


def rollout_certainty(
    model: Any, packed: sp.PackedBatch, temperature: float, counted: Tensor
) -> Tensor:
    """Compute the self-certainty at each counted response token, [b, t], 0 elsewhere.

    It is over the whole vocabulary and has no gradient. Call it inside `use_shared_prefix`.
    """
    causal = unwrap_peft(model)
    states = sp.hidden_states(model, packed)[counted]
    parts = [
        pg.self_certainty(sp.lm_head_logits(causal, part) / temperature)
        for (part,) in _parts(causal, states)
    ]
    total = torch.cat(parts)
    return torch.zeros(counted.shape, device=total.device).masked_scatter(counted, total)


def _parts(causal: Any, *rows: Tensor) -> list[tuple[Tensor, ...]]:
    """Split rows into parts whose logits fit in memory."""
    at_once = max(1, _LOGITS_AT_ONCE // causal.get_output_embeddings().weight.shape[0])
    return list(zip(*(torch.split(each, at_once) for each in rows), strict=True))
