"""What beta-DPO keeps of the batches it has seen, and the pairs' worth that follows from it."""

import math
from collections.abc import Callable, Mapping

import torch
from numpy.random import Generator
from torch import Tensor, nn

from benchkit.training.preference.loss_spec import PairTerms

MIN_BETA = 1e-3  # of beta
_SIGMA_FLOOR = 1e-6  # at the first step policy and reference are the same: all leads are 0


class AdaptiveBeta(nn.Module):
    """Running averages of the leads, and beta and the kept examples of a batch.

    mean, sigma: M0 and the deviation, from 0 on. steps: batches seen. generator: gives the random
    numbers of a step; with `steps` it makes the filter the same after an interruption.
    """

    def __init__(
        self,
        beta: float,
        alpha: float,
        rho: float,
        momentum: float,
        generator: Callable[[int], Generator],
    ) -> None:
        super().__init__()
        self.beta, self.alpha, self.rho, self.momentum = beta, alpha, rho, momentum
        self.generator = generator
        # Parameters, though nothing differentiates by them: checkpoints hold the parameters that
        # require a gradient. They never get one, so that no optimizer and no clipping touches them.
        self.mean = nn.Parameter(torch.zeros(()))
        self.sigma = nn.Parameter(torch.zeros(()))
        self.steps = nn.Parameter(torch.zeros(()))

    def effective_size(self, n: int) -> int:
        """How many of n examples count; at least one."""
        # A tiny addition, because e.g. 10 (1 - 0.9) is a little less than 1 in floating point.
        return max(1, math.floor(n * (1 - self.rho) + 1e-9))

    @torch.no_grad()
    def pairs(self, fields: Mapping[str, Tensor], d: Tensor, training: bool) -> PairTerms:
        """Beta (one number) and mask [b] of a batch. d: [b, 1 + k] utilities; `here` in `fields`:
        [b, 1 + k] 1 where there is a response. A training step moves the averages first.

        The mask sums to the number of examples that are kept, in training and else.
        """
        lead = mean_leads(d, fields["here"])
        count = self.effective_size(len(lead))
        if training:
            self._update(lead)
            mask = self._drawn(lead, count)
        else:
            mask = torch.full_like(lead, count / len(lead))
        middle = (lead * mask).sum() / count
        beta = self.beta * (1 + self.alpha * (middle - self.mean))
        return PairTerms(beta=beta.clamp(min=MIN_BETA), mask=mask)

    def _update(self, lead: Tensor) -> None:
        spread = lead.std() if len(lead) > 1 else torch.ones_like(self.sigma)
        self.mean.copy_(self.momentum * self.mean + (1 - self.momentum) * lead.mean())
        self.sigma.copy_(self.momentum * self.sigma + (1 - self.momentum) * spread)
        self.steps.add_(1)

    def _drawn(self, lead: Tensor, count: int) -> Tensor:
        """[b] 1 for `count` examples, drawn one after another by their weights, and 0 else.

        The largest of log-weight plus Gumbel noise follow this law, and no weight is ever zero.
        """
        if count == len(lead):
            return torch.ones_like(lead)
        noise = self.generator(int(self.steps.detach())).gumbel(size=len(lead))
        z = (lead.double() - self.mean) / self.sigma.double().clamp(min=_SIGMA_FLOOR)
        order = (torch.from_numpy(noise).to(lead.device) - z**2 / 2).topk(count).indices
        return torch.zeros_like(lead).index_fill(0, order, 1.0)


def mean_leads(d: Tensor, here: Tensor) -> Tensor:
    """[b] by how much the chosen response leads, on average over the rejected ones that are there.

    d, here: [b, 1 + k].
    """
    present = here[:, 1:]
    gap = (d[:, :1] - d[:, 1:]) * present
    return gap.sum(dim=1) / present.sum(dim=1).clamp(min=1)
