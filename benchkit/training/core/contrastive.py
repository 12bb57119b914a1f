"""Contrastive and distillation losses between two sets of vectors or logits, in float32.

LLMEmb (Liu et al., AAAI 2025) aligns two views of an item's text, and its items with those of a
sequential recommender; CALRec aligns users with items. All gradients are finite at any scale.
"""

import torch
import torch.nn.functional as F
from torch import Tensor


def info_nce(
    x: Tensor,
    y: Tensor,
    temperature: float | Tensor,
    cosine: bool = False,
    symmetric: bool = True,
) -> Tensor:
    """Compute -mean_i log softmax_j(x_i . y_j / temperature)_i, averaged over both directions.

    Args:
        x: [n, d] one side of each pair; the other rows are the negatives.
        y: [n, d] the other side.
        temperature: Scale of the products.
        cosine: Normalise the vectors to length 1 first (CALRec).
        symmetric: Average over both directions; otherwise only x_i is to find y_i (CALRec).

    Returns:
        Scalar loss; log n if all products are equal.

    Reference:
        van den Oord et al., 2018; LLMEmb, eqs. 3 and 8.
    """
    logits = _products(x, y, cosine) / temperature
    label = torch.arange(len(logits), device=logits.device)
    if not symmetric:
        return F.cross_entropy(logits, label)
    return (F.cross_entropy(logits, label) + F.cross_entropy(logits.T, label)) / 2


def soft_info_nce(x: Tensor, y: Tensor, temperature: float | Tensor, detach: bool = True) -> Tensor:
    """Compute `info_nce` with soft targets, as in LLMEmb's official code.

    The targets are softmax_j of temperature (x_i . x_j + y_i . y_j) / 2 instead of the identity.

    Args:
        x: [n, d] one side of each pair.
        y: [n, d] the other side.
        temperature: Scale of the products.
        detach: Stop the gradient through the targets; the official code does not, so that its
            loss can fall by moving them.
    """
    logits = _products(x, y, cosine=False) / temperature
    similarity = (_products(x, x, cosine=False) + _products(y, y, cosine=False)) / 2
    target = (similarity * temperature).softmax(dim=-1)
    if detach:
        target = target.detach()
    # `similarity` is symmetric, so both directions have the same targets.
    return (F.cross_entropy(logits, target) + F.cross_entropy(logits.T, target)) / 2


def distillation(student: Tensor, teacher: Tensor, temperature: float = 1.0) -> Tensor:
    """Compute temperature^2 times the mean cross-entropy of the student against the teacher.

    Args:
        student: [n, c] logits.
        teacher: [n, c] logits; no gradient reaches them.
        temperature: Of both softmaxes; its square keeps the size of gradients the same.

    Reference:
        Hinton et al., 2015, section 2.
    """
    target = (teacher.detach().float() / temperature).softmax(dim=-1)
    return temperature**2 * F.cross_entropy(student.float() / temperature, target)


def _products(x: Tensor, y: Tensor, cosine: bool) -> Tensor:
    x, y = (v if v.dtype == torch.float64 else v.float() for v in (x, y))
    return F.normalize(x, dim=-1) @ F.normalize(y, dim=-1).T if cosine else x @ y.T
