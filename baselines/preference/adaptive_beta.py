"""beta-DPO's running averages over batches, and the pair terms that follow from them."""

import math
from collections.abc import Callable, Mapping

import torch
from numpy.random import Generator
from torch import Tensor, nn

from benchkit.training.preference.loss_spec import PairTerms

MIN_BETA = 1e-3
_SIGMA_FLOOR = 1e-6  # at the first step policy and reference are the same: all leads are 0


class AdaptiveBeta(nn.Module):
    """Running averages of the leads, and beta and the filter of a batch.

    `mean` and `sigma` are M0 and the standard deviation, starting at 0; `steps` counts batches.

    Args:
        beta: beta0.
        alpha: How much beta follows the lead.
        rho: Share of a batch that is left out.
        momentum: Of the running averages.
        generator: Returns the generator of a step; with `steps`, it makes the filter the same
            after an interruption.
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
        # They are parameters although nothing is differentiated by them: checkpoints hold what
        # requires a gradient. They never get one, so no optimizer and no clipping touches them.
        self.mean = nn.Parameter(torch.zeros(()))
        self.sigma = nn.Parameter(torch.zeros(()))
        self.steps = nn.Parameter(torch.zeros(()))

    def effective_size(self, n: int) -> int:
        """Return how many of n examples count; at least one."""
        # A tiny addition, because 10 (1 - 0.9) is a little less than 1 in floating point.
        return max(1, math.floor(n * (1 - self.rho) + 1e-9))

    @torch.no_grad()
    def pairs(self, fields: Mapping[str, Tensor], d: Tensor, training: bool) -> PairTerms:
        """Return beta (one number) and the mask [b] of a batch.

        A training step updates the averages first. The mask always sums to the number of examples
        that count.

        Args:
            fields: `here`, [b, 1 + k], is 1 where there is a response.
            d: [b, 1 + k] utilities.
            training: Whether this is a training step.
        """
        lead = mean_leads(d, fields["here"])
        count = self.effective_size(len(lead))
        if training:
            self._update(lead)
            mask = self._draw_mask(lead, count)
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

    def _draw_mask(self, lead: Tensor, count: int) -> Tensor:
        """Return [b] 1 for `count` examples drawn without replacement by their weights, else 0.

        The largest of log-weight plus Gumbel noise have this distribution, and no weight
        underflows to zero.
        """
        if count == len(lead):
            return torch.ones_like(lead)
        noise = self.generator(int(self.steps.detach())).gumbel(size=len(lead))
        z = (lead.double() - self.mean) / self.sigma.double().clamp(min=_SIGMA_FLOOR)
        order = (torch.from_numpy(noise).to(lead.device) - z**2 / 2).topk(count).indices
        return torch.zeros_like(lead).index_fill(0, order, 1.0)


def mean_leads(d: Tensor, present: Tensor) -> Tensor:
    """Average the chosen response's lead over the rejected responses, [b] from [b, 1 + k]."""
    has_rejected = present[:, 1:]
    gap = (d[:, :1] - d[:, 1:]) * has_rejected
    return gap.sum(dim=1) / has_rejected.sum(dim=1).clamp(min=1)
