"""Contrastive and distillation losses: hand-computed values, gradients, extremes."""

import math

import pytest
import torch
from torch.autograd import gradcheck
from torch.nn.functional import kl_div

from benchkit.training.core.contrastive import distillation, info_nce, soft_info_nce

I4 = torch.eye(4, dtype=torch.float64)


@pytest.mark.parametrize(
    ("temperature", "expected"), [(1, 0.743668), (2, 1.036592), (3, 1.147274), (0.5, 0.340753)]
)
def test_orthonormal_pairs(temperature, expected):
    assert info_nce(I4, I4, temperature).item() == pytest.approx(expected, abs=2e-6)
    assert info_nce(5 * I4, I4, temperature, cosine=True).item() == pytest.approx(
        expected, abs=2e-6
    )


@pytest.mark.parametrize(("temperature", "expected"), [(1, 1.268301), (2, 1.180975), (3, 1.190591)])
def test_soft_targets_as_in_the_official_code(temperature, expected):
    assert soft_info_nce(I4, I4, temperature).item() == pytest.approx(expected, abs=2e-6)


@pytest.mark.parametrize("loss", [info_nce, soft_info_nce])
def test_equal_vectors_tell_nothing(loss):
    same = torch.ones(8, 3)
    assert loss(same, same, 1.0).item() == pytest.approx(2.0794415, abs=1e-6)
    assert loss(torch.zeros(4, 3), torch.zeros(4, 3), 1.0).item() == pytest.approx(math.log(4))


def test_both_directions_count():
    generator = torch.Generator().manual_seed(0)
    x, y = (torch.randn(5, 3, generator=generator) for _ in range(2))
    for loss in (info_nce, soft_info_nce):
        torch.testing.assert_close(loss(x, y, 0.7), loss(y, x, 0.7))


def test_gradients_by_finite_differences():
    generator = torch.Generator().manual_seed(0)
    x, y = (
        torch.randn(4, 3, generator=generator, dtype=torch.float64).requires_grad_()
        for _ in range(2)
    )
    temperature = torch.tensor(3.0, dtype=torch.float64, requires_grad=True)
    assert gradcheck(lambda a, b, t: info_nce(a, b, t, cosine=True), (x, y, temperature))
    assert gradcheck(lambda a, b, t: soft_info_nce(a, b, t, detach=False), (x, y, temperature))


def test_detached_targets_have_no_gradient():
    x = torch.randn(4, 3, generator=torch.Generator().manual_seed(1)).requires_grad_()
    y = torch.zeros(4, 3)  # all logits are 0: what is left is the way through the targets
    y.requires_grad_()
    (moving,) = torch.autograd.grad(soft_info_nce(x, y.detach() + x * 0.1, 1.0, detach=False), x)
    (fixed,) = torch.autograd.grad(soft_info_nce(x, y.detach() + x * 0.1, 1.0), x)
    assert not torch.allclose(moving, fixed)
    (none,) = torch.autograd.grad(soft_info_nce(x, y.detach(), 1.0), x)
    assert none.abs().max() < 1e-6


def test_distillation_is_the_divergence_up_to_the_teachers_entropy():
    generator = torch.Generator().manual_seed(0)
    student, teacher = (torch.randn(6, 4, generator=generator) for _ in range(2))
    for temperature in (1.0, 2.0):
        p, log_q = (teacher / temperature).softmax(-1), (student / temperature).log_softmax(-1)
        entropy = -(p * p.log()).sum(-1).mean()
        expected = temperature**2 * (kl_div(log_q, p, reduction="batchmean") + entropy)
        torch.testing.assert_close(distillation(student, teacher, temperature), expected)


def test_the_teacher_has_no_gradient_and_a_match_leaves_none():
    teacher = torch.randn(3, 4, generator=torch.Generator().manual_seed(0)).requires_grad_()
    student = teacher.detach().clone().requires_grad_()
    distillation(student, teacher, 2.0).backward()
    assert teacher.grad is None
    assert student.grad.abs().max() < 1e-7


def test_large_values_do_not_overflow():
    x = (torch.eye(4) * 1e3).requires_grad_()
    loss = info_nce(x, x, 1e-2) + soft_info_nce(x, x, 1.0) + distillation(x, -x)
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(x.grad).all()
