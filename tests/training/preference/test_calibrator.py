"""The calibrator: its first weights, its symmetry, what trains it."""

import pytest
import torch

from benchkit.training.preference.calibrator import (
    SIGMA_FLOOR,
    Calibrator,
    probit_weights,
    sigmoid_weights,
)
from benchkit.training.preference.loss import preference_loss
from benchkit.training.preference.loss_spec import PairTerms

Z = torch.randn(4, 3, 8, generator=torch.Generator().manual_seed(0))
HERE = torch.ones(4, 3, dtype=torch.bool)


def calibrator(bound: float | None = None) -> Calibrator:
    return Calibrator(8, 16, torch.Generator().manual_seed(1), bound)


@pytest.mark.parametrize(
    ("gap", "probit", "sigmoid"),
    [(0, 0.5, 0.5), (1, 0.8462, 0.7311), (2, 0.9793, 0.8808), (3, 0.9989, 0.9526),
     (-1, 0.1538, 0.2689), (-2, 0.0207, 0.1192)],
)  # fmt: skip
def test_first_weights_follow_the_scores_alone(gap, probit, sigmoid):
    score = torch.tensor([[4.0 + gap, 4.0, 1.0]]).repeat(4, 1)
    mu, sigma = calibrator()(Z, score)
    torch.testing.assert_close(mu, score)
    assert probit_weights(mu, sigma)[:, 0, 1].tolist() == pytest.approx([probit] * 4, abs=6e-5)
    assert sigmoid_weights(score)[:, 0, 1].tolist() == pytest.approx([sigmoid] * 4, abs=6e-5)


def moved(bound: float | None = None) -> Calibrator:
    changed = calibrator(bound)
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for layer in (changed.shift[2], changed.spread[2]):
            layer.weight.normal_(std=30, generator=generator)
    return changed


def test_weights_of_a_pair_and_its_reverse_sum_to_one():
    weights = probit_weights(*moved()(Z, torch.rand(4, 3) * 6 + 1))
    torch.testing.assert_close(weights + weights.mT, torch.ones(4, 3, 3))


def test_spread_has_a_floor_and_shift_may_have_a_bound():
    score = torch.full((4, 3), 4.0)
    mu, sigma = moved(bound=0.5)(Z, score)
    assert sigma.min() >= SIGMA_FLOOR
    assert (mu - score).abs().max() <= 0.5
    assert (moved()(Z, score)[0] - score).abs().max() > 0.5


def test_nothing_trains_it_while_policy_and_reference_agree():
    own = calibrator()
    d = torch.zeros(4, 3, requires_grad=True)
    weight = probit_weights(*own(Z, torch.rand(4, 3) * 6 + 1))
    preference_loss(d, HERE, "plackett-luce", PairTerms(weight=weight)).sum().backward()
    assert all(p.grad is None or not p.grad.any() for p in own.parameters())
    assert d.grad.abs().min() > 0


def test_gradients_through_the_weights_equal_finite_differences():
    own = moved(bound=2.0).double()
    z, score = Z[:2].double(), torch.tensor([[6.0, 5.0, 2.0], [3.0, 6.5, 1.0]]).double()
    names = [name for name, _ in own.named_parameters()]

    def ask(d, *values):
        held = dict(zip(names, values, strict=True))
        mu, sigma = torch.func.functional_call(own, held, (z, score))
        pairs = PairTerms(weight=probit_weights(mu, sigma))
        return preference_loss(d, HERE[:2], "plackett-luce", pairs)

    d = torch.tensor([[1.0, -0.5, -2.0], [0.2, 0.9, -0.3]]).double().requires_grad_()
    values = [p.detach().clone().requires_grad_() for p in own.parameters()]
    assert torch.autograd.gradcheck(ask, (d, *values), atol=1e-6, rtol=1e-4)


def test_the_same_generator_gives_the_same_calibrator():
    one, other = calibrator().state_dict(), calibrator().state_dict()
    assert all(torch.equal(one[name], other[name]) for name in one)
