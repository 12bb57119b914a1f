"""The parts of policy-gradient losses: advantages, clipping, divergence, weights of tokens.

Everything is computed in at least float32, and no ratio of probabilities overflows.
"""

from typing import Literal

import torch
from torch import Tensor

TokenReduction = Literal["sequence", "token", "fixed"]

_LARGEST = 20.0  # log-ratio above which exp is continued by its tangent


def group_advantages(rewards: Tensor, eps: float = 1e-4) -> Tensor:
    """Compute (r - mean) / (std + eps) within the g answers of each prompt, [b, g] from [b, g].

    The standard deviation is the unbiased one. The result is exactly 0 where all answers have the
    same reward. A group of one has mean 0 and deviation 1, as in verl.

    Reference:
        Shao et al., DeepSeekMath, 2024, section 4.1.2.
    """
    values = _precise(rewards)
    if values.shape[-1] == 1:
        return values / (1 + eps)
    centred = values - values.mean(dim=-1, keepdim=True)
    is_equal = values.amax(dim=-1, keepdim=True) == values.amin(dim=-1, keepdim=True)
    return (centred / (values.std(dim=-1, keepdim=True) + eps)).masked_fill(is_equal, 0.0)


def clipped_surrogate(policy: Tensor, old: Tensor, advantage: Tensor, clip: float = 0.2) -> Tensor:
    """Compute -min(rho A, clip(rho, 1 - clip, 1 + clip) A) of each token.

    At rho = 1 the gradient is that of -A log p.

    Args:
        policy: Log-probabilities of the tokens now.
        old: Log-probabilities when they were sampled; rho is the ratio of the probabilities.
        advantage: A, of the same shape.
        clip: Largest change of rho that is rewarded.

    Reference:
        Schulman et al., PPO, 2017, eq. 7.
    """
    rho = _exp(_precise(policy) - old)
    return -torch.minimum(rho * advantage, rho.clamp(1 - clip, 1 + clip) * advantage)


def kl_k3(policy: Tensor, reference: Tensor) -> Tensor:
    """Compute exp(d) - d - 1 with d = log p_ref - log p of each token.

    An unbiased, never negative estimate of KL(p || p_ref) for tokens sampled from p.

    Reference:
        Schulman, Approximating KL divergence, 2020; GRPO, eq. 4.
    """
    d = _precise(reference) - policy
    # expm1 keeps the digits of small differences.
    return torch.where(d < 1, torch.expm1(d.clamp(max=1)) - d, _exp(d) - d - 1)


def self_certainty(logits: Tensor) -> Tensor:
    """Compute KL(U || p) = -log v - mean_j log p_j of logits [..., v]; 0 for the uniform p = U.

    Intuitor's reward is its mean over an answer's tokens; the official code omits the constant
    -log v.

    Reference:
        Zhao et al., Learning to Reason without External Rewards, 2025, eq. 4.
    """
    z = _precise(logits)
    constant = torch.log(torch.tensor(float(z.shape[-1]), dtype=z.dtype, device=z.device))
    return z.logsumexp(dim=-1) - z.mean(dim=-1) - constant


def masked_mean(values: Tensor, mask: Tensor) -> Tensor:
    """Average [..., t] values where the mask is set; 0 where it is nowhere set."""
    counted = values.masked_fill(~mask.bool(), 0.0)
    return counted.sum(dim=-1) / mask.sum(dim=-1).clamp(min=1)


def token_weights(
    mask: Tensor, reduction: TokenReduction, max_tokens: int | None = None
) -> tuple[Tensor, float]:
    """Weight the tokens of answers, so that losses of several batches can be added.

    Args:
        mask: [..., t] which tokens count.
        reduction: `sequence`: mean over an answer's tokens, then over answers (GRPO). `token`:
            mean over all tokens (TRL's `bnpo`, DAPO). `fixed`: sum over an answer's tokens divided
            by `max_tokens`, then mean over answers (Dr. GRPO; Liu et al., 2025).
        max_tokens: Most tokens of an answer; needed by `fixed`, else ValueError.

    Returns:
        [..., t] weights, and the divisor of the weighted sum of losses.
    """
    weight = mask.float()
    answers = float(mask[..., 0].numel())
    if reduction == "token":
        return weight, float(weight.double().sum())
    if reduction == "sequence":
        return weight / weight.sum(dim=-1, keepdim=True).clamp(min=1), answers
    if max_tokens is None:
        raise ValueError("reduction 'fixed' needs the most tokens of an answer")
    return weight, answers * max_tokens


def gae(rewards: Tensor, values: Tensor, gamma: float = 0.99, lam: float = 1.0) -> Tensor:
    """Compute generalised advantage estimates, [b, t].

    delta_t = r_t + gamma V_{t+1} - V_t, A_t = delta_t + gamma lam A_{t+1}; an episode ends with its
    last step, after which the value is 0.

    Args:
        rewards: [b, t] r of each step.
        values: [b, t] V of each step.
        gamma: Discount.
        lam: Trace decay lambda.

    Reference:
        Schulman et al., ICLR 2016, eq. 16.
    """
    r, v = _precise(rewards), _precise(values)
    advantage, after = torch.zeros_like(r), torch.zeros_like(r[..., 0])
    upcoming = torch.zeros_like(after)
    for step in reversed(range(r.shape[-1])):
        after = r[..., step] + gamma * upcoming - v[..., step] + gamma * lam * after
        upcoming = v[..., step]
        advantage[..., step] = after
    return advantage


def _precise(values: Tensor) -> Tensor:
    return values if values.dtype == torch.float64 else values.float()


def _exp(x: Tensor) -> Tensor:
    """Return exp, continued by its tangent: finite, increasing and with a gradient everywhere."""
    return x.clamp(max=_LARGEST).exp() * (1 + (x - _LARGEST).clamp(min=0))
