"""Contrastive and distillation losses between two sets of vectors or logits, in float32.

LLMEmb (Liu et al., AAAI 2025) aligns two views of an item's text, and its items with those of a
sequential recommender; CALRec aligns users with items. All gradients are finite at any scale.
"""

import torch
import torch.nn.functional as F
from torch import Tensor


def info_nce(x: Tensor, y: Tensor, temperature: float | Tensor, cosine: bool = False) -> Tensor:
    """Scalar: -mean_i log softmax_j(x_i . y_j / temperature)_i, averaged over both directions
    (van den Oord et al., 2018; LLMEmb, eqs. 3 and 8).

    x, y: [n, d], a pair a row; the other rows are the negatives. cosine: of vectors of length 1
    (CALRec). log n where all products are equal.
    """
    logits = _products(x, y, cosine) / temperature
    label = torch.arange(len(logits), device=logits.device)
    return (F.cross_entropy(logits, label) + F.cross_entropy(logits.T, label)) / 2


def soft_info_nce(x: Tensor, y: Tensor, temperature: float | Tensor, detach: bool = True) -> Tensor:
    """Scalar: `info_nce` with the targets of LLMEmb's official code, softmax_j of
    temperature (x_i . x_j + y_i . y_j) / 2, in place of the identity.

    detach: no gradient through the targets; the official code has one, so that its loss falls by
    moving them.
    """
    logits = _products(x, y, cosine=False) / temperature
    alike = (_products(x, x, cosine=False) + _products(y, y, cosine=False)) / 2
    target = (alike * temperature).softmax(dim=-1)
    if detach:
        target = target.detach()
    # `alike` is symmetric, so both directions have the same targets.
    return (F.cross_entropy(logits, target) + F.cross_entropy(logits.T, target)) / 2


def distillation(student: Tensor, teacher: Tensor, temperature: float = 1.0) -> Tensor:
    """Scalar: temperature^2 times the mean cross-entropy of the student's softmax against the
    teacher's, both at the temperature (Hinton et al., 2015, section 2).

    student, teacher: [n, c] logits; no gradient reaches the teacher. The factor keeps gradients of
    the same size at every temperature.
    """
    target = (teacher.detach().float() / temperature).softmax(dim=-1)
    return temperature**2 * F.cross_entropy(student.float() / temperature, target)


def _products(x: Tensor, y: Tensor, cosine: bool) -> Tensor:
    x, y = (v if v.dtype == torch.float64 else v.float() for v in (x, y))
    return F.normalize(x, dim=-1) @ F.normalize(y, dim=-1).T if cosine else x @ y.T
