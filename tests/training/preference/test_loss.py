"""The family of preference losses: hand-computed values, reductions, gradients, other libraries."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from benchkit.training.preference.loss import (
    ResponseLogprobs,
    chosen_nll,
    preference_loss,
    response_utilities,
)
from benchkit.training.preference.loss_spec import PairTerms

POLICY = torch.tensor([[-4.0, -6.0, -9.0]], dtype=torch.float64)
REFERENCE = torch.tensor([[-5.0, -5.5, -7.0]], dtype=torch.float64)
LENGTHS = torch.tensor([[4, 5, 5]])
D = POLICY - REFERENCE  # 1, -0.5, -2
LOG2 = math.log(2)


def loss(d: Tensor, aggregate: str, **pairs: object) -> float:
    return preference_loss(
        d, torch.ones_like(d, dtype=torch.bool), aggregate, PairTerms(**pairs)
    ).item()


def triangle(ch: float, ce: float, he: float) -> Tensor:
    weight = torch.ones(1, 3, 3, dtype=torch.float64)
    weight[0, 0, 1], weight[0, 0, 2], weight[0, 1, 2] = ch, ce, he
    return weight


@pytest.mark.parametrize(
    ("beta", "dpo", "s_dpo", "pl"),
    [(1.0, 0.2014133, 0.2413113, 0.4427246), (0.1, 0.6209570, 0.9560983, 1.5770553)],
)
def test_the_common_example(beta, dpo, s_dpo, pl):
    assert loss(D[:, :2], "logistic", beta=beta) == pytest.approx(dpo, abs=1e-6)
    assert loss(D, "softmax", beta=beta) == pytest.approx(s_dpo, abs=1e-6)
    assert loss(D, "plackett-luce", beta=beta) == pytest.approx(pl, abs=1e-6)


def test_plackett_luce_with_four_responses():
    d = torch.tensor([[1.0, 0.5, 0.0, -1.0]], dtype=torch.float64)
    assert loss(d, "plackett-luce") == pytest.approx(1.6639596, abs=1e-6)


def test_c_apo_with_weights():
    ones, flat = triangle(1, 1, 1), triangle(0.3, 0.3, 0.3)
    assert loss(D, "plackett-luce", weight=ones) == pytest.approx(0.4427246, abs=1e-6)
    assert loss(D, "plackett-luce", weight=flat) == pytest.approx(1.2082544, abs=1e-6)
    # Without the second stage's weight it is S-DPO and a constant (lemma 2, as it holds).
    second = triangle(1, 1, 0)
    assert loss(D, "plackett-luce", weight=second) == pytest.approx(0.9344585, abs=1e-6)
    assert loss(D, "plackett-luce", weight=second) - loss(D, "softmax") == pytest.approx(LOG2)


def test_recpo_margins():
    random = 3 / math.sqrt(11)
    gamma = torch.tensor([[5 / random, 5.0]], dtype=torch.float64)
    assert loss(D, "softmax", margin=2 * gamma) == pytest.approx(9.6302736, abs=1e-6)
    assert loss(D, "softmax", margin=-2 * gamma) == pytest.approx(5.786e-6, abs=1e-8)
    total = 2 * gamma.sum(dim=-1, keepdim=True)
    assert loss(D, "softmax", margin=total) == pytest.approx(19.7568292, abs=1e-6)


def test_simpo_ipo_cpo_and_rosepo():
    responses = ResponseLogprobs(POLICY, LENGTHS, torch.ones(1, 3, dtype=torch.bool))
    average = response_utilities(responses, length_normalised=True)[:, :2]
    assert loss(average, "logistic", beta=2.0, margin=1.0) == pytest.approx(1.0374880, abs=1e-6)
    assert loss(D[:, :2], "squared", tau=0.1) == pytest.approx(12.25, abs=1e-9)
    ratio = response_utilities(
        ResponseLogprobs(POLICY, LENGTHS, responses.present, REFERENCE), length_normalised=True
    )
    assert loss(ratio[:, :2], "squared", tau=0.1) == pytest.approx(21.6225, abs=1e-9)
    cpo = loss(POLICY[:, :2], "logistic", beta=0.1)
    assert cpo + chosen_nll(responses, "token_mean").item() == pytest.approx(1.5981389, abs=1e-6)
    assert cpo + chosen_nll(responses, "sequence_sum").item() == pytest.approx(4.5981389, abs=1e-6)
    assert loss(D[:, :2], "logistic", smoothing=0.2) == pytest.approx(0.5014133, abs=1e-6)


@pytest.mark.parametrize("k", [1, 2, 3, 29])
def test_at_the_start_nothing_is_preferred(k):
    d = torch.zeros(1, k + 1, dtype=torch.float64)
    assert loss(d, "softmax") == pytest.approx(math.log(1 + k))
    assert loss(d, "logistic", beta=0.7) == pytest.approx(LOG2)
    assert loss(d, "squared", tau=0.1) == pytest.approx(25)
    ranks = sum(math.log(n) for n in range(2, k + 2))
    assert loss(d, "plackett-luce") == pytest.approx(ranks)


def test_ipo_is_symmetric_about_its_target():
    at = lambda h: torch.tensor([[h, 0.0]])  # noqa: E731
    assert loss(at(5.0), "squared", tau=0.1) == 0
    assert loss(at(10.0), "squared", tau=0.1) == pytest.approx(25) == loss(at(0.0), "squared")


def test_the_smoothed_loss_is_least_where_confidence_equals_the_smoothing():
    d = torch.tensor([[math.log(4), 0.0]], dtype=torch.float64, requires_grad=True)
    preference_loss(
        d, torch.ones(1, 2, dtype=torch.bool), "logistic", PairTerms(smoothing=0.2)
    ).sum().backward()
    torch.testing.assert_close(d.grad, torch.zeros_like(d), atol=1e-9, rtol=0)


def test_two_equal_rejected_responses():
    d = torch.tensor([[1.0, 0.0, 0.0]], dtype=torch.float64)
    assert loss(d, "softmax") == pytest.approx(0.551445, abs=1e-6)


@pytest.mark.parametrize(
    ("g", "weights", "expected_g", "expected_w"),
    [
        ([1, -0.5, -2], (1, 1, 1), [-0.21440, -0.00714, 0.22154], [-0.26294, -0.11734, -0.27364]),
        ([1, -0.5, -2], (0.1538, 0.8462, 0.9793), [-0.10088, -0.11803, 0.21891], None),
        ([1, 3.5, -2], (1, 1, 1), None, [2.30166, None, None]),
        ([0, 0, 0], (1, 1, 1), None, [0, 0, 0]),
    ],
)
def test_gradients_of_c_apo(g, weights, expected_g, expected_w):
    d = torch.tensor([g], dtype=torch.float64, requires_grad=True)
    weight = triangle(*weights).requires_grad_()
    here = torch.ones(1, 3, dtype=torch.bool)
    preference_loss(d, here, "plackett-luce", PairTerms(weight=weight)).sum().backward()
    assert d.grad.sum().item() == pytest.approx(0, abs=1e-12)
    if expected_g:
        assert d.grad[0].tolist() == pytest.approx(expected_g, abs=1e-5)
    of_pairs = [weight.grad[0, 0, 1], weight.grad[0, 0, 2], weight.grad[0, 1, 2]]
    for ours, expected in zip(of_pairs, expected_w or [], strict=False):
        assert expected is None or ours.item() == pytest.approx(expected, abs=1e-5)


VALUES = st.lists(st.floats(-8, 8), min_size=3, max_size=5)


@given(VALUES, st.sampled_from(["logistic", "softmax", "plackett-luce", "squared"]))
def test_gradients_equal_finite_differences_and_sum_to_zero(values, aggregate):
    d = torch.tensor([values], dtype=torch.float64, requires_grad=True)
    here = torch.ones_like(d, dtype=torch.bool)
    ask = lambda x: preference_loss(x, here, aggregate, PairTerms(beta=0.7))  # noqa: E731
    assert torch.autograd.gradcheck(ask, (d,), atol=1e-6, rtol=1e-4)
    ask(d).sum().backward()
    assert d.grad.sum().abs() < 1e-9
    torch.testing.assert_close(ask(d + 7), ask(d))


WEIGHTS = st.lists(st.floats(0.01, 1), min_size=9, max_size=9)


@given(st.lists(st.floats(-4, 4), min_size=3, max_size=3), WEIGHTS)
def test_gradients_of_weighted_stages_equal_finite_differences(values, weights):
    d = torch.tensor([values], dtype=torch.float64, requires_grad=True)
    weight = torch.tensor(weights, dtype=torch.float64).view(1, 3, 3).requires_grad_()
    here = torch.ones_like(d, dtype=torch.bool)
    ask = lambda x, w: preference_loss(x, here, "plackett-luce", PairTerms(weight=w))  # noqa: E731
    assert torch.autograd.gradcheck(ask, (d, weight), atol=1e-6, rtol=1e-4)


@given(VALUES, st.floats(0.05, 3))
def test_reductions(values, beta):
    d = torch.tensor([values], dtype=torch.float64)
    pair = d[:, :2]
    assert loss(pair, "softmax", beta=beta) == pytest.approx(loss(pair, "logistic", beta=beta))
    assert loss(pair, "plackett-luce", beta=beta) == pytest.approx(loss(pair, "softmax", beta=beta))
    assert loss(pair, "logistic", beta=beta, smoothing=0.0) == loss(pair, "logistic", beta=beta)
    assert loss(d, "softmax", beta=beta, margin=0.0) == loss(d, "softmax", beta=beta)
    flat = torch.full((1, len(values), len(values)), beta, dtype=torch.float64)
    weighted = loss(d, "plackett-luce", weight=flat)
    assert weighted == pytest.approx(loss(d, "plackett-luce", beta=beta))
    order = [0, *range(len(values) - 1, 0, -1)]
    assert loss(d[:, order], "softmax") == pytest.approx(loss(d, "softmax"))


@pytest.mark.parametrize("aggregate", ["logistic", "softmax", "plackett-luce", "squared"])
def test_responses_that_are_not_there_change_nothing(aggregate):
    more = torch.tensor([[1.0, -0.5, 3.0], [0.2, 0.1, -4.0]], dtype=torch.float64)
    here = torch.tensor([[True, True, False], [True, True, True]])
    more.requires_grad_()
    found = preference_loss(more, here, aggregate, PairTerms())
    assert found[0].item() == pytest.approx(loss(more[:1, :2].detach(), aggregate))
    assert found[1].item() == pytest.approx(loss(more[1:].detach(), aggregate))
    found.sum().backward()
    assert more.grad[0, 2] == 0
    assert torch.isfinite(more.grad).all()


@pytest.mark.parametrize("aggregate", ["logistic", "softmax", "plackett-luce"])
def test_large_gaps_do_not_overflow(aggregate):
    d = torch.tensor([[0.0, 1e4, 2e4], [1e4, 0.0, -1e4]], requires_grad=True)
    found = preference_loss(d, torch.ones(2, 3, dtype=torch.bool), aggregate, PairTerms())
    found.sum().backward()
    assert torch.isfinite(found).all() and torch.isfinite(d.grad).all()
    assert found[1] == 0


def test_masked_examples_do_not_count():
    d = torch.tensor([[1.0, 0.0], [0.0, 5.0]], dtype=torch.float64)
    mask = torch.tensor([1.0, 0.0], dtype=torch.float64)
    each = preference_loss(d, torch.ones(2, 2, dtype=torch.bool), "logistic", PairTerms(mask=mask))
    assert each.tolist() == pytest.approx([loss(d[:1], "logistic"), 0.0])


def test_utilities_are_at_least_float32():
    half = ResponseLogprobs(
        POLICY.bfloat16(), LENGTHS, torch.tensor([[True, True, False]]), REFERENCE.bfloat16()
    )
    assert response_utilities(half).dtype == torch.float32
    assert response_utilities(half)[0, 2] == 0
