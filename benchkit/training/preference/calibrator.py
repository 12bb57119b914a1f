"""C-APO's calibrator: how far the order of two responses' coherence scores can be trusted.

C-APO, eqs. 7-9, with z the sentence embedding of history, item and rationale:
    mu = s + Gate(z) FC1(z),   sigma = softplus(FC2(z)),
    w_ij = Phi((mu_i - mu_j) / sqrt(sigma_i^2 + sigma_j^2)).
The last layers start at zero, so that at first mu = s and sigma = ln 2. Taken literally, a ReLU at
the output could only raise mu; here it is between two linear layers. sigma is bounded from below
by a maximum, not an offset, so that the first weights are those of the formula.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

SIGMA_FLOOR = 0.1


class Calibrator(nn.Module):
    """Computes mu and sigma of responses from their embeddings and scores.

    Args:
        size: Length of an embedding.
        hidden: Width of the hidden layers.
        generator: Draws the initial weights.
        bound: Largest shift of mu; None for no bound.
    """

    def __init__(
        self, size: int, hidden: int, generator: torch.Generator, bound: float | None = None
    ) -> None:
        super().__init__()
        self.bound = bound
        with torch.random.fork_rng(devices=[]):  # layers draw from the global generator
            self.gate = nn.Linear(size, 1)
            self.shift = nn.Sequential(nn.Linear(size, hidden), nn.ReLU(), nn.Linear(hidden, 1))
            self.spread = nn.Sequential(nn.Linear(size, hidden), nn.ReLU(), nn.Linear(hidden, 1))
        with torch.no_grad():
            first: tuple[Any, ...] = (self.gate, self.shift[0], self.spread[0])
            last: tuple[Any, ...] = (self.shift[2], self.spread[2])
            for layer in first:
                layer.weight.uniform_(-(size**-0.5), size**-0.5, generator=generator)
            for layer in last:
                layer.weight.zero_()
            for layer in (*first, *last):
                layer.bias.zero_()

    def forward(self, z: Tensor, score: Tensor) -> tuple[Tensor, Tensor]:
        """Return mu [b, n] and sigma [b, n] of embeddings [b, n, size] and scores [b, n]."""
        shift = (torch.sigmoid(self.gate(z)) * self.shift(z))[..., 0]
        if self.bound is not None:
            shift = self.bound * torch.tanh(shift / self.bound)
        sigma = F.softplus(self.spread(z))[..., 0].clamp(min=SIGMA_FLOOR)
        return score + shift, sigma


def probit_weights(mu: Tensor, sigma: Tensor) -> Tensor:
    """Compute w_ij = Phi((mu_i - mu_j) / sqrt(sigma_i^2 + sigma_j^2)), [b, n, n], of [b, n] inputs.

    w_ij + w_ji = 1 (Thurstone-Mosteller).
    """
    spread = (sigma[:, :, None] ** 2 + sigma[:, None, :] ** 2).sqrt()
    weights: Tensor = torch.special.ndtr((mu[:, :, None] - mu[:, None, :]) / spread)
    return weights


def sigmoid_weights(score: Tensor) -> Tensor:
    """Compute w_ij = sigmoid(s_i - s_j), [b, n, n], of [b, n]: C-APO without the encoder."""
    return torch.sigmoid(score[:, :, None] - score[:, None, :])
