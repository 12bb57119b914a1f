"""Slow thinking: the way from a user's state to the next item, as a few codes (STREAM-Rec).

With the item's vector t and d_0 the user's state,

    r_i = f(t - s_{i-1}),  o_i = argmin_k |c_k - r_i|,  d_i = c_{o_i},  s_i = g(d_0 + ... + d_i)

with two small networks f and g and a codebook c. The codes o_1 ... o_l are what the model learns
to write before the item's id.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

_COMMITMENT = 0.25  # weight of what pulls a residual to its code, as in VQ-VAE


@dataclass(frozen=True)
class Thoughts:
    """The codes from b users' states to their items, with what is trained on them."""

    codes: Tensor
    """[b, l] o."""
    residuals: Tensor
    """[b, l, d] r."""
    state: Tensor
    """[b, d] s_l, with gradients to the networks."""
    quantisation: Tensor
    """Mean squared distance of residuals and codes, with VQ-VAE's gradients."""


class SlowThinking(nn.Module):
    """The networks f and g, the codebook, and the map of item vectors to t.

    t and s have length 1, and r is between -1 and 1: a contrast by cosines does not hold their
    size, and the codes would follow them to infinity. Code 0 is zero at first: a step that has
    nothing to add.

    Args:
        items: [n_items, e] vectors of items; they are not trained.
        width: Size d of states.
        codes: Entries of the codebook.
        steps: Codes of a thought, l.
    """

    def __init__(self, items: Tensor, width: int, codes: int, steps: int) -> None:
        super().__init__()
        self.steps = steps
        self.register_buffer("items", items.float())
        self.items: Tensor
        self.item_map: nn.Module = nn.Sequential(nn.Linear(items.shape[1], width), UnitLength())
        self.user_map: nn.Module = nn.Linear(width, width)
        self.residual_map: nn.Module = nn.Sequential(_network(width), nn.Tanh())
        self.state_map: nn.Module = nn.Sequential(_network(width), UnitLength())
        self.codebook = nn.Parameter(torch.randn(codes, width) * width**-0.5)
        with torch.no_grad():
            self.codebook[0] = 0.0

    def targets(self, codes: Tensor) -> Tensor:
        """Return t, [b, d], of item codes [b]."""
        target: Tensor = self.item_map(self.items[codes])
        return target

    def user(self, states: Tensor, mask: Tensor) -> Tensor:
        """Return d_0, [b, d], from an encoder's states [b, s, d]: their mean, mapped."""
        weight = mask.to(states.dtype)[..., None]
        mean = (states * weight).sum(dim=1) / weight.sum(dim=1).clamp(min=1)
        first: Tensor = self.user_map(mean)
        return first

    def forward(self, user: Tensor, target: Tensor) -> Thoughts:
        """Find the codes from d_0 [b, d] to t [b, d]."""
        total, state = user, self.state_map(user)
        codes, residuals = [], []
        quantisation = user.new_zeros(())
        for _ in range(self.steps):
            residual = self.residual_map(target - state)
            code = nearest_code(residual, self.codebook)
            entry = self.codebook[code]
            quantisation = quantisation + F.mse_loss(entry, residual.detach())
            quantisation = quantisation + _COMMITMENT * F.mse_loss(residual, entry.detach())
            # The value is the code's, the gradient the residual's: codes follow residuals alone.
            total = total + residual + (entry - residual).detach()
            state = self.state_map(total)
            codes.append(code)
            residuals.append(residual)
        return Thoughts(
            torch.stack(codes, dim=1), torch.stack(residuals, dim=1), state, quantisation
        )

    def state(self, user: Tensor, codes: Tensor) -> Tensor:
        """Return s_l, [b, d], after codes [b, l] that were written."""
        state: Tensor = self.state_map(user + self.codebook[codes].sum(dim=1))
        return state


class UnitLength(nn.Module):
    """Scale vectors to length 1."""

    def forward(self, vectors: Tensor) -> Tensor:
        return F.normalize(vectors, dim=-1)


def nearest_code(residual: Tensor, codebook: Tensor) -> Tensor:
    """Return [b] argmin_k |c_k - r| of residuals [b, d] and a codebook [k, d]."""
    return torch.cdist(residual, codebook).argmin(dim=1)


def _network(width: int) -> nn.Module:
    return nn.Sequential(nn.Linear(width, width), nn.GELU(), nn.Linear(width, width))
