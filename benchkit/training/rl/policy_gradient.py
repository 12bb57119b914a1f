"""The parts of policy-gradient losses: advantages, clipping, divergence, weights of tokens.

Everything is computed in at least float32, and no ratio of probabilities overflows.
"""

from typing import Literal

import torch
from torch import Tensor

TokenReduction = Literal["sequence", "token", "fixed"]

_LARGEST = 20.0  # log-ratio beyond which exp is continued by its tangent


def group_advantages(rewards: Tensor, eps: float = 1e-4) -> Tensor:
    """[b, g] (r - mean) / (std + eps) within each prompt's g answers (GRPO; Shao et al.,
    DeepSeekMath, 2024, section 4.1.2), with the unbiased standard deviation.

    Exactly 0 where all answers have the same reward. A group of one has mean 0 and deviation 1,
    as in verl.
    """
    values = _precise(rewards)
    if values.shape[-1] == 1:
        return values / (1 + eps)
    centred = values - values.mean(dim=-1, keepdim=True)
    same = values.amax(dim=-1, keepdim=True) == values.amin(dim=-1, keepdim=True)
    return (centred / (values.std(dim=-1, keepdim=True) + eps)).masked_fill(same, 0.0)


def clipped_surrogate(policy: Tensor, old: Tensor, advantage: Tensor, clip: float = 0.2) -> Tensor:
    """-min(rho A, clip(rho, 1 - clip, 1 + clip) A) of each token (Schulman et al., PPO, eq. 7).

    policy, old: log-probabilities now and when the tokens were drawn; rho is the ratio of the
    probabilities. advantage: of the same shape. At rho = 1 the gradient is that of -A log p.
    """
    rho = _exp(_precise(policy) - old)
    return -torch.minimum(rho * advantage, rho.clamp(1 - clip, 1 + clip) * advantage)


def kl_k3(policy: Tensor, reference: Tensor) -> Tensor:
    """exp(d) - d - 1 with d = log p_ref - log p of each token: an unbiased, never negative estimate
    of KL(p || p_ref) for tokens drawn from p (Schulman, 2020; GRPO, eq. 4)."""
    d = _precise(reference) - policy
    # expm1 keeps the digits of small differences.
    return torch.where(d < 1, torch.expm1(d.clamp(max=1)) - d, _exp(d) - d - 1)


def self_certainty(logits: Tensor) -> Tensor:
    """[...] KL(U || p) of distributions given as logits [..., v]: -log v - mean_j log p_j.

    Intuitor's reward is its mean over an answer's tokens (Zhao et al., 2025, eq. 4); the official
    code leaves the constant -log v out. 0 for the uniform distribution, U.
    """
    z = _precise(logits)
    constant = torch.log(torch.tensor(float(z.shape[-1]), dtype=z.dtype, device=z.device))
    return z.logsumexp(dim=-1) - z.mean(dim=-1) - constant


def masked_mean(values: Tensor, mask: Tensor) -> Tensor:
    """[...] mean of [..., t] values where the mask is set; 0 where it is nowhere."""
    counted = values.masked_fill(~mask.bool(), 0.0)
    return counted.sum(dim=-1) / mask.sum(dim=-1).clamp(min=1)


def token_weights(
    mask: Tensor, reduction: TokenReduction, longest: int | None = None
) -> tuple[Tensor, float]:
    """What each token of n answers weighs, and what the weighted sum of losses is divided by.

    mask: [..., t] which tokens count. `sequence`: the mean over an answer's tokens, then over
    answers (GRPO). `token`: the mean over all tokens (TRL's `bnpo`, DAPO). `fixed`: the sum over
    an answer's tokens divided by `longest`, the most tokens it can have, then the mean over
    answers (Dr. GRPO; Liu et al., 2025). Sums of several batches may be added, and so may their
    divisors. Raises ValueError when `fixed` is asked for without `longest`.
    """
    weight = mask.float()
    answers = float(mask[..., 0].numel())
    if reduction == "token":
        return weight, float(weight.double().sum())
    if reduction == "sequence":
        return weight / weight.sum(dim=-1, keepdim=True).clamp(min=1), answers
    if longest is None:
        raise ValueError("reduction 'fixed' needs the most tokens of an answer")
    return weight, answers * longest


def gae(rewards: Tensor, values: Tensor, gamma: float = 0.99, lam: float = 1.0) -> Tensor:
    """[b, t] generalised advantage estimates (Schulman et al., ICLR 2016, eq. 16).

    rewards, values: [b, t] of each step; an episode ends with its last step, after which the value
    is 0. delta_t = r_t + gamma V_{t+1} - V_t, A_t = delta_t + gamma lam A_{t+1}.
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
    """exp, continued by its tangent: finite, increasing and with a gradient everywhere."""
    return x.clamp(max=_LARGEST).exp() * (1 + (x - _LARGEST).clamp(min=0))
