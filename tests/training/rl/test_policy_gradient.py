"""Policy-gradient parts: hand-computed values, finite differences, extremes."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.autograd import gradcheck

from benchkit.training.rl import policy_gradient as pg


def tensor(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


# Advantages


@pytest.mark.parametrize(
    ("rewards", "expected"),
    [
        ((3.4, 0.8, 0.0, 0.0), (1.45825, -0.15513, -0.65156, -0.65156)),
        ((1.0, 0.0, 0.0, 0.0), (1.4997, -0.4999, -0.4999, -0.4999)),
        ((2.0, 2.0, 2.0), (0.0, 0.0, 0.0)),
    ],
)
def test_advantages_of_a_group(rewards, expected):
    assert pg.group_advantages(tensor(*rewards)).tolist() == pytest.approx(expected, abs=1e-5)
    two = pg.group_advantages(torch.stack([tensor(*rewards), tensor(*reversed(rewards))]))
    assert two[1].tolist() == pytest.approx(expected[::-1], abs=1e-5)


@given(st.floats(-1e6, 1e6), st.integers(1, 17))
def test_equal_rewards_have_no_advantage_at_all(reward, group):
    found = pg.group_advantages(torch.full((2, group), reward))
    assert found.equal(torch.zeros_like(found)) or group == 1


def test_a_group_of_one_has_mean_zero_and_deviation_one():
    assert pg.group_advantages(tensor(3.0)[None], eps=0.0).item() == 3.0


# Clipping


@pytest.mark.parametrize(
    ("ratio", "advantage", "loss"),
    [(1.5, 1.0, -1.2), (0.5, 1.0, -0.5), (1.5, -1.0, 1.5), (0.5, -1.0, 0.8)],
)
def test_the_ratio_is_clipped_where_it_would_be_rewarded(ratio, advantage, loss):
    now = tensor(-2.0 + math.log(ratio))
    found = pg.clipped_surrogate(now, tensor(-2.0), tensor(advantage), 0.2)
    assert found.item() == pytest.approx(loss, abs=1e-12)


def test_at_the_old_policy_the_gradient_is_that_of_the_likelihood():
    now = tensor(-1.0, -2.0, -3.0).requires_grad_()
    advantage = tensor(1.5, -0.5, 0.0)
    pg.clipped_surrogate(now, now.detach(), advantage).sum().backward()
    assert now.grad.tolist() == pytest.approx((-advantage).tolist())


def test_gradients_by_finite_differences():
    now = tensor(-1.0, -2.5, -0.3, -4.0).requires_grad_()
    old, advantage = tensor(-1.1, -2.0, -0.2, -3.9), tensor(1.0, -2.0, 0.5, -0.1)
    assert gradcheck(lambda p: pg.clipped_surrogate(p, old, advantage), (now,))
    assert gradcheck(lambda p: pg.kl_k3(p, old), (now,))
    logits = torch.randn(3, 5, dtype=torch.float64, requires_grad=True)
    assert gradcheck(pg.self_certainty, (logits,))
    values = torch.randn(2, 4, dtype=torch.float64, requires_grad=True)
    fixed = values.detach() * 2
    assert gradcheck(lambda v: pg.gae(fixed, v, 0.9, 0.8), (values,))


# Divergence


@pytest.mark.parametrize(("d", "expected"), [(0.2, 0.0214028), (-0.2, 0.0187308), (0.0, 0.0)])
def test_k3_of_a_log_ratio(d, expected):
    assert pg.kl_k3(tensor(-3.0), tensor(-3.0 + d)).item() == pytest.approx(expected, abs=1e-7)


@given(st.floats(-60, 60))
def test_k3_is_never_negative_and_never_overflows(d):
    policy = torch.tensor(-70.0, requires_grad=True)
    value = pg.kl_k3(policy, torch.tensor(-70.0 + d))
    (gradient,) = torch.autograd.grad(value, policy)
    assert value >= 0
    assert torch.isfinite(value)
    assert torch.isfinite(gradient)
    assert gradient * d <= 0  # it always pulls towards the reference


def test_k3_is_the_divergence_on_average():
    p, q = tensor(0.5, 0.3, 0.2), tensor(0.2, 0.2, 0.6)
    mean = (p * pg.kl_k3(p.log(), q.log())).sum()
    assert mean.item() == pytest.approx((p * (p / q).log()).sum().item(), abs=1e-12)


def test_k3_keeps_the_digits_of_small_differences():
    value = pg.kl_k3(torch.tensor([0.0]), torch.tensor([2.0**-10]))
    assert value.item() == pytest.approx(2.0**-21, rel=1e-3)


def test_far_policies_have_finite_surrogates():
    now = torch.tensor([0.0, 0.0], requires_grad=True)
    loss = pg.clipped_surrogate(now, torch.tensor([-200.0, -200.0]), torch.tensor([-1.0, 1.0]))
    loss.sum().backward()
    assert torch.isfinite(loss).all()
    assert torch.isfinite(now.grad).all()


# Self-certainty


@pytest.mark.parametrize(
    ("p", "expected"),
    [((0.25,) * 4, 0.0), ((0.75, 0.25), 0.1438410), ((0.7, 0.1, 0.1, 0.1), 0.4298132)],
)
def test_self_certainty_of_a_distribution(p, expected):
    logits = tensor(*p).log()
    found = pg.self_certainty(torch.stack([logits, logits + 7.0]))  # a shift changes nothing
    assert found.tolist() == pytest.approx([expected] * 2, abs=1e-7)
    official = logits.logsumexp(-1) - logits.mean()  # without the constant
    assert found[0].item() + math.log(len(p)) == pytest.approx(official.item())


def test_the_official_values_are_larger_by_log_v():
    assert pg.self_certainty(tensor(0.7, 0.1, 0.1, 0.1).log()).item() + math.log(4) == (
        pytest.approx(1.8161076, abs=1e-6)
    )
    assert pg.self_certainty(tensor(0.75, 0.25).log()).item() + math.log(2) == (
        pytest.approx(0.8369882, abs=1e-6)
    )


def test_masked_tokens_are_not_averaged():
    values = torch.tensor([[1.0, 3.0, math.nan], [math.nan, 5.0, math.inf]])
    mask = torch.tensor([[True, True, False], [False, True, False]])
    assert pg.masked_mean(values, mask).tolist() == [2.0, 5.0]
    assert pg.masked_mean(values, torch.zeros_like(mask)).tolist() == [0.0, 0.0]


# Averages over tokens

LOSSES = torch.tensor([[1.0, 2.0, 3.0], [10.0, math.nan, math.nan]])
MASK = torch.tensor([[True, True, True], [True, False, False]])


@pytest.mark.parametrize(
    ("reduction", "expected"), [("sequence", 6.0), ("token", 4.0), ("fixed", 16 / 8)]
)
def test_how_tokens_are_averaged(reduction, expected):
    weight, divisor = pg.token_weights(MASK, reduction, max_tokens=4)
    total = (LOSSES.nan_to_num(0.0) * weight).sum().item()
    assert total / divisor == pytest.approx(expected)


@pytest.mark.parametrize("reduction", ["sequence", "token", "fixed"])
def test_sums_and_divisors_of_two_batches_add_up(reduction):
    parts = [pg.token_weights(MASK[row : row + 1], reduction, 4) for row in (0, 1)]
    weight, divisor = pg.token_weights(MASK, reduction, 4)
    assert sum(own for _, own in parts) == divisor
    torch.testing.assert_close(torch.cat([own for own, _ in parts]), weight)


def test_a_fixed_length_has_to_be_given():
    with pytest.raises(ValueError, match="most tokens"):
        pg.token_weights(MASK, "fixed")


# Generalised advantages


def test_generalised_advantages():
    rewards, values = tensor(0.0, 0.0, 1.0)[None], torch.full((1, 3), 0.5, dtype=torch.float64)
    assert pg.gae(rewards, values, 0.99, 1.0)[0].tolist() == pytest.approx([0.4801, 0.49, 0.5])


def test_generalised_advantages_between_their_limits():
    generator = torch.Generator().manual_seed(0)
    r, v = (torch.randn(2, 5, generator=generator, dtype=torch.float64) for _ in range(2))
    after = torch.cat([v[:, 1:], torch.zeros(2, 1, dtype=torch.float64)], dim=1)
    torch.testing.assert_close(pg.gae(r, v, 0.9, 0.0), r + 0.9 * after - v)
    returns = torch.stack(
        [sum(0.9**k * r[:, t + k] for k in range(5 - t)) for t in range(5)], dim=1
    )
    torch.testing.assert_close(pg.gae(r, v, 0.9, 1.0), returns - v)
