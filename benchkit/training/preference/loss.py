"""One formula for preference losses: DPO, S-DPO, SimPO, IPO, CPO, Plackett-Luce, C-APO and others.

A method decides the utility of a response, the terms of each pair of responses (beta, margin,
weight, smoothing), and how pairs are aggregated. With utilities d of the chosen response c and of
the rejected responses k, the gap of a pair is u_k = beta_k w_k (d_k - d_c) + m_k. It is positive
if the rejected response is ahead; a positive margin m_k demands a larger lead of the chosen one.

logistic: mean_k softplus(u_k) (DPO, Rafailov et al. 2023; SimPO; CPO; with smoothing e also
    softplus(-u_k), weighted 1 - e and e)
softmax: softplus(logsumexp_k u_k) (S-DPO, Chen et al. 2024; RecPO)
plackett-luce: responses are ranked, best first; sum over stages j of
    softplus(logsumexp_{k > j} w_jk beta (d_k - d_j)) (C-APO, eqs. 10 and 13)
squared: mean_k (beta_k (d_c - d_k) - 1 / (2 tau))^2 (IPO, Azar et al. 2024)

Everything is computed in at least float32 and by logsumexp, so that no gap overflows.
"""

from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from benchkit.training.preference.loss_spec import Aggregate, PairTerms


@dataclass(frozen=True)
class ResponseLogprobs:
    """Log-probabilities of the responses to b prompts, the chosen response in column 0."""

    policy: Tensor
    """[b, 1 + k] sum of the log-probabilities of each response's tokens."""
    lengths: Tensor
    """[b, 1 + k] number of those tokens."""
    present: Tensor
    """[b, 1 + k] False where a prompt has fewer responses; the chosen one is always there."""
    reference: Tensor | None = None
    """[b, 1 + k] `policy` of the reference model, or None."""


def response_utilities(responses: ResponseLogprobs, length_normalised: bool = False) -> Tensor:
    """Compute utilities d, [b, 1 + k]: log-ratios, or log-probabilities without a reference.

    Responses that are not present get 0.
    """
    policy = responses.policy
    value = policy if policy.dtype == torch.float64 else policy.float()
    if responses.reference is not None:
        value = value - responses.reference
    if length_normalised:
        value = value / responses.lengths.clamp(min=1)
    return value.masked_fill(~responses.present, 0.0)


def preference_loss(d: Tensor, present: Tensor, aggregate: Aggregate, pairs: PairTerms) -> Tensor:
    """Compute the loss of each example.

    Args:
        d: [b, 1 + k] utilities.
        present: [b, 1 + k] whether there is a response.
        aggregate: How pairs are combined.
        pairs: Terms of the pairs.

    Returns:
        [b] losses; 0 for masked examples.
    """
    if aggregate == "plackett-luce":
        loss = _plackett_luce(d, present, pairs)
    else:
        loss = _against_chosen(d, present, aggregate, pairs)
    return loss if pairs.mask is None else loss * pairs.mask


def chosen_nll(
    responses: ResponseLogprobs, reduction: Literal["token_mean", "sequence_sum"]
) -> Tensor:
    """Compute the chosen response's negative log-likelihood, [b] (CPO, Xu et al. 2024)."""
    nll = -responses.policy[:, 0]
    return nll / responses.lengths[:, 0] if reduction == "token_mean" else nll


def _against_chosen(d: Tensor, present: Tensor, aggregate: Aggregate, pairs: PairTerms) -> Tensor:
    has_rejected = present[:, 1:]
    gap = d[:, 1:] - d[:, :1]
    if aggregate == "squared":
        each = (-pairs.beta * gap - 1 / (2 * pairs.tau)) ** 2
        return _mean(each, has_rejected)
    u = pairs.beta * pairs.weight * gap + pairs.margin
    if aggregate == "softmax":
        return F.softplus(u.masked_fill(~has_rejected, -torch.inf).logsumexp(dim=-1))
    smoothing = torch.as_tensor(pairs.smoothing, dtype=d.dtype, device=d.device)[..., None]
    return _mean((1 - smoothing) * F.softplus(u) + smoothing * F.softplus(-u), has_rejected)


def _plackett_luce(d: Tensor, present: Tensor, pairs: PairTerms) -> Tensor:
    g = pairs.beta * d
    u = pairs.weight * (g[:, None, :] - g[:, :, None])  # [b, j, k]: k ahead of j
    n = d.shape[1]
    later = torch.ones(n, n, dtype=torch.bool, device=d.device).triu(1)
    counted = later & present[:, None, :] & present[:, :, None]
    has_term = counted.any(dim=-1)
    # A stage without a later response has no term; a finite stand-in keeps its gradient finite.
    safe = u.masked_fill(~counted, -torch.inf).masked_fill(~has_term[..., None], 0.0)
    return (F.softplus(safe.logsumexp(dim=-1)) * has_term).sum(dim=-1)


def _mean(values: Tensor, mask: Tensor) -> Tensor:
    return (values * mask).sum(dim=-1) / mask.sum(dim=-1).clamp(min=1)
