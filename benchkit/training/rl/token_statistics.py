"""Log-probability and self-certainty of sampled answers' tokens, under their shared prompt."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from benchkit.lm import shared_prefix as sp
from benchkit.lm.architecture import unwrap_peft
from benchkit.lm.packing.token_logprobs import split_by_logits
from benchkit.training.rl import policy_gradient as pg


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
    if allowed.shape[-1]:
        return _statistics(model, packed, temperature, allowed, _logprob)
    states, places = sp.response_states(model, packed)
    target = packed.target.flatten()[places]
    return _table(packed, places, sp.target_logprobs(model, states, target, temperature))


def rollout_logprobs_and_entropy(
    model: Any, packed: sp.PackedBatch, temperature: float, allowed: Tensor
) -> tuple[Tensor, Tensor]:
    """Compute what `rollout_logprobs` does, and the entropy of what each token was chosen from.

    Returns:
        Log-probabilities and entropies (in nats), [b, t] float32 each, 0 at padding.
    """
    both = _statistics(model, packed, temperature, allowed, _logprob_and_entropy)
    return both[..., 0], both[..., 1]


def _statistics(
    model: Any,
    packed: sp.PackedBatch,
    temperature: float,
    allowed: Tensor,
    statistic: Callable[[Tensor, Tensor, Tensor], Tensor],
) -> Tensor:
    """Compute a statistic of the scores [n, v], targets [n] and allowed tokens [n, m] at all
    response tokens, [b, t, ...]; large ones in parts, which the backward pass computes again."""
    causal = unwrap_peft(model)

    def piece(state: Tensor, target: Tensor, options: Tensor) -> Tensor:
        return statistic(sp.lm_head_logits(causal, state) / temperature, target, options)

    states, places = sp.response_states(model, packed)
    target, options = packed.target.flatten()[places], allowed.flatten(0, 1)[places]
    parts = split_by_logits(causal, states, target, options)
    if torch.is_grad_enabled() and len(parts) > 1:
        values = torch.cat([checkpoint(piece, *part, use_reentrant=False) for part in parts])
    else:
        values = torch.cat([piece(*part) for part in parts])
    return _table(packed, places, values)


def _table(packed: sp.PackedBatch, places: Tensor, values: Tensor) -> Tensor:
    """Return [b, t, ...] of [n, ...] values at these places, 0 elsewhere."""
    table = torch.zeros((packed.target.numel(), *values.shape[1:]), device=values.device)
    return table.index_copy(0, places, values).view(*packed.target.shape, *values.shape[1:])


def _logprob(scores: Tensor, target: Tensor, options: Tensor) -> Tensor:
    total = scores.logsumexp(dim=-1)
    if options.shape[-1]:
        of_options, limited = _limited(scores, options)
        total = torch.where(limited, of_options.logsumexp(dim=-1), total)
    return scores.gather(-1, target[:, None])[:, 0] - total


def _logprob_and_entropy(scores: Tensor, target: Tensor, options: Tensor) -> Tensor:
    entropy = _entropy(scores)
    if options.shape[-1]:
        of_options, limited = _limited(scores, options)
        entropy = torch.where(limited, _entropy(of_options), entropy)
    return torch.stack([_logprob(scores, target, options), entropy], dim=-1)


def _limited(scores: Tensor, options: Tensor) -> tuple[Tensor, Tensor]:
    """Return the scores of the allowed tokens, [n, m], and where there is such a limit, [n]."""
    of_options = scores.gather(-1, options.clamp(min=0)).masked_fill(options < 0, -torch.inf)
    limited = (options >= 0).any(dim=-1)
    # A row of -inf has no gradient: a finite stand-in where all tokens are allowed.
    return of_options.masked_fill(~limited[:, None], 0.0), limited


def _entropy(scores: Tensor) -> Tensor:
    logprobs = scores.log_softmax(dim=-1)
    return -(logprobs.exp() * logprobs.masked_fill(logprobs == -torch.inf, 0.0)).sum(dim=-1)


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
        for (part,) in split_by_logits(causal, states)
    ]
    total = torch.cat(parts)
    return torch.zeros(counted.shape, device=total.device).masked_scatter(counted, total)
