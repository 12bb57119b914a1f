"""C-APO's calibrator: how far the order of two responses' coherence scores is to be trusted.

C-APO, eqs. 7-9: z is the sentence embedding of history, item and rationale,
    mu = s + Gate(z) FC1(z),   sigma = softplus(FC2(z)),
    w_ij = Phi((mu_i - mu_j) / sqrt(sigma_i^2 + sigma_j^2)).
The last layers start at zero, so that at first mu = s and sigma = ln 2. Read literally, ReLU at
the output would only ever raise mu; here it stands between two linear layers. sigma is kept from
below by a maximum, not an offset, so that the first weights are those of the formula.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

SIGMA_FLOOR = 0.1


class Calibrator(nn.Module):
    """mu and sigma of responses from their embeddings and scores.

    size: of an embedding. bound: largest shift of mu, or None for no bound.
    generator: draws the initial weights.
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
        """mu and sigma, [b, n] each, of embeddings [b, n, size] and scores [b, n]."""
        moved = (torch.sigmoid(self.gate(z)) * self.shift(z))[..., 0]
        if self.bound is not None:
            moved = self.bound * torch.tanh(moved / self.bound)
        sigma = F.softplus(self.spread(z))[..., 0].clamp(min=SIGMA_FLOOR)
        return score + moved, sigma


def probit_weights(mu: Tensor, sigma: Tensor) -> Tensor:
    """[b, n, n] w_ij = Phi((mu_i - mu_j) / sqrt(sigma_i^2 + sigma_j^2)) of [b, n] mu and sigma.

    w_ij + w_ji = 1 (Thurstone-Mosteller).
    """
    spread = (sigma[:, :, None] ** 2 + sigma[:, None, :] ** 2).sqrt()
    weights: Tensor = torch.special.ndtr((mu[:, :, None] - mu[:, None, :]) / spread)
    return weights


def sigmoid_weights(score: Tensor) -> Tensor:
    """[b, n, n] w_ij = sigmoid(s_i - s_j): C-APO's ablation without the encoder."""
    return torch.sigmoid(score[:, :, None] - score[:, None, :])
