"""The parts of proximal policy optimisation (PPO) with a learnt value of each token.

Reference:
    Schulman et al., Proximal Policy Optimization Algorithms, 2017; Stiennon et al., Learning to
    Summarize from Human Feedback, 2020, for the divergence as a part of the reward.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from benchkit.training.rl import policy_gradient as pg
from benchkit.training.rl.ppo_settings import PPOSettings

_EPS = 1e-8


class Estimates(NamedTuple):
    """What a round's rewards say of each token, [n, t]."""

    advantages: Tensor
    returns: Tensor


def whiten(values: Tensor, mask: Tensor, shift: bool = True) -> Tensor:
    """Divide [n, t] values by their standard deviation where the mask is set; 0 elsewhere.

    Args:
        values: Numbers.
        mask: Which of them count.
        shift: Subtract the mean, too.

    >>> mask = torch.tensor([[True, True, False]])
    >>> whiten(torch.tensor([[1.0, 3.0, 9.0]]), mask).round(decimals=4)
    tensor([[-0.7071,  0.7071,  0.0000]])
    """
    counted = values[mask]
    if not counted.numel():
        return torch.zeros_like(values)
    mean = counted.mean()
    deviation = counted.std() if counted.numel() > 1 else torch.ones_like(mean)
    whitened = (values - mean) / (deviation + _EPS)
    return (whitened if shift else whitened + mean).masked_fill(~mask, 0.0)


def penalize_divergence(
    rewards: Tensor, policy: Tensor, reference: Tensor, coefficient: float
) -> Tensor:
    """Compute r_t - coefficient (log p_t - log p_ref,t) of each token (k1).

    Args:
        rewards: [n, t] rewards.
        policy: [n, t] log-probabilities under the policy that drew the tokens.
        reference: [n, t] log-probabilities under the model that training started from.
        coefficient: Weight of the divergence.
    """
    return rewards - coefficient * (policy - reference)


def estimate_advantages(
    rewards: Tensor, values: Tensor, mask: Tensor, settings: PPOSettings
) -> Estimates:
    """Compute whitened advantages and the returns that values are to predict, [n, t].

    Args:
        rewards: [n, t] rewards, the divergence subtracted; answers are padded on the right.
        values: [n, t] values when the answers were drawn.
        mask: [n, t] which tokens are there.
        settings: Discount, lambda, and whether rewards are whitened.
    """
    rewards, values = rewards.masked_fill(~mask, 0.0), values.masked_fill(~mask, 0.0)
    if settings.whiten_rewards:
        rewards = whiten(rewards, mask, shift=False)
    # Padding has neither rewards nor values: the last token is followed by the value 0.
    advantages = pg.gae(rewards, values, settings.gamma, settings.lam)
    return Estimates(whiten(advantages, mask), (advantages + values).masked_fill(~mask, 0.0))


def clipped_value_loss(value: Tensor, old: Tensor, returns: Tensor, clip: float) -> Tensor:
    """Compute half the squared error of each value, or of the clipped one if that is larger.

    Args:
        value: Values now.
        old: Values when the answers were drawn.
        returns: What they are to predict.
        clip: Largest change of a value that lowers the loss.
    """
    clipped = old + (value - old).clamp(-clip, clip)
    return 0.5 * torch.maximum((value - returns) ** 2, (clipped - returns) ** 2)


def policy_loss(
    now: Tensor,
    old: Tensor,
    entropy: Tensor,
    advantages: Tensor,
    weight: Tensor,
    settings: PPOSettings,
) -> tuple[Tensor, Tensor, float]:
    """Compute the weighted sums of the clipped surrogate and the entropy, and the divergence.

    Args:
        now: [b, t] log-probabilities now.
        old: [b, t] when the answers were drawn.
        entropy: [b, t] entropies now.
        advantages: [b, t] advantages.
        weight: [b, t] of each token; 0 where none is.
        settings: Clipping range.

    Returns:
        Surrogate loss, entropy, and sum of weighted log p_old - log p.
    """
    surrogate = pg.clipped_surrogate(now, old, advantages, settings.clip)
    divergence = ((old - now.detach()) * weight).sum()
    return (surrogate * weight).sum(), (entropy * weight).sum(), float(divergence)
