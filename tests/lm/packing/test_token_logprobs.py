"""Log-probabilities in chunks equal those of whole logits."""

import sys
from types import SimpleNamespace

import peft
import pytest
import torch

from benchkit.lm.packing import liger, token_logprobs
from benchkit.lm.packing.token_logprobs import (
    LogitScaling,
    chunked_logprobs,
    is_plain_head,
    target_logprobs,
)
from tests.support.tiny_models import tiny_model

SCALINGS = [
    LogitScaling(),
    LogitScaling(cap=2.0),
    LogitScaling(factor=0.25),
    LogitScaling(3.0, 5.0, 1.7),
    LogitScaling(temperature=0.6),
]


def inputs(bias: bool, dtype: torch.dtype = torch.float32) -> list[torch.Tensor | None]:
    generator = torch.Generator().manual_seed(0)
    shapes = [(37, 16), (101, 16)] + ([(101,)] if bias else [])
    made = [torch.randn(shape, generator=generator).to(dtype).requires_grad_() for shape in shapes]
    return [*made, *([] if bias else [None])]


def whole(states, weight, bias, target, scaling):
    scores = scaling.apply(torch.nn.functional.linear(states, weight, bias).float())
    return scores.log_softmax(-1).gather(-1, target[:, None])[:, 0]


def compare(got, expected, values, **tolerance):
    wanted = [value for value in values if value is not None and value.requires_grad]
    scale = torch.linspace(-1, 2, len(got))
    pairs = [(got.detach(), expected.detach())]
    pairs += zip(
        torch.autograd.grad((got * scale).sum(), wanted),
        torch.autograd.grad((expected * scale).sum(), wanted),
        strict=True,
    )
    for one, other in pairs:
        torch.testing.assert_close(one, other, **tolerance)


@pytest.mark.parametrize("rows", [1, 8, 37, 100])
@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("scaling", SCALINGS)
def test_values_and_gradients_are_those_of_whole_logits(scaling, bias, rows):
    values = inputs(bias)
    target = torch.arange(37) * 2
    got = chunked_logprobs(*values, target, scaling, rows)
    compare(got, whole(*values, target, scaling), values, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("frozen", [0, 1, 2])
def test_what_is_frozen_has_no_gradient(frozen):
    values = inputs(bias=True)
    values[frozen].requires_grad_(False)
    target = torch.arange(37)
    got = chunked_logprobs(*values, target, SCALINGS[3], 10)
    compare(got, whole(*values, target, SCALINGS[3]), values, atol=1e-5, rtol=1e-5)
    chunked_logprobs(*values, target, SCALINGS[3], 10).sum().backward()
    assert [value.grad is None for value in values] == [n == frozen for n in range(3)]


def test_weights_in_half_precision_are_normalised_in_full():
    values = inputs(False, torch.bfloat16)
    target = torch.arange(37)
    got = chunked_logprobs(*values, target, LogitScaling(), 10)
    assert got.dtype == torch.float32
    compare(got, whole(*values, target, LogitScaling()), values, atol=0.05, rtol=0.05)


def test_with_automatic_precision_float32_weights_have_float32_gradients():
    states, weight, _ = inputs(False)
    target = torch.arange(37)
    got = chunked_logprobs(states.bfloat16(), weight, None, target, LogitScaling(), 10)
    with torch.autocast("cpu", torch.bfloat16):
        expected = whole(states, weight, None, target, LogitScaling())
    compare(got, expected, [states, weight], atol=0.05, rtol=0.05)


def model_with(kind):
    model = tiny_model(
        "gemma3" if kind == "capped" else "qwen3", tie_word_embeddings=kind in ("tied", "capped")
    )
    if kind == "capped":
        model.config.final_logit_softcapping = 2.0
    if kind == "adapter on the head":
        config = peft.LoraConfig(r=4, target_modules=["lm_head"], init_lora_weights=False)
        model = peft.get_peft_model(model, config)
    if kind == "trained copy of the head":
        config = peft.LoraConfig(r=4, target_modules=["q_proj"], modules_to_save=["lm_head"])
        model = peft.get_peft_model(model, config)
    return model


@pytest.mark.parametrize("temperature", [1.0, 0.7])
@pytest.mark.parametrize(
    ("kind", "plain"),
    [
        ("tied", True),
        ("untied", True),
        ("capped", True),
        ("adapter on the head", False),
        ("trained copy of the head", False),
    ],
)
def test_a_model_s_head_is_computed_in_chunks_or_by_itself(kind, plain, temperature, monkeypatch):
    model = model_with(kind)
    causal = token_logprobs.unwrap_peft(model)
    assert is_plain_head(causal.get_output_embeddings()) == plain
    states = torch.randn(23, 32, generator=torch.Generator().manual_seed(1)).requires_grad_()
    target = torch.arange(23) + 5
    values = [states, *(p for n, p in model.named_parameters() if "lm_head" in n)]
    expected = target_logprobs(model, states, target, temperature)
    monkeypatch.setattr(token_logprobs, "MOST_LOGITS", 0)
    monkeypatch.setattr(token_logprobs, "_CHUNK", {"cpu": 7 * 300})
    calls = []
    causal.get_output_embeddings().register_forward_pre_hook(lambda *_: calls.append(1))
    if plain:
        causal.get_output_embeddings()._forward_pre_hooks.clear()
    got = target_logprobs(model, states, target, temperature)
    assert len(calls) == (0 if plain else 4)
    compare(got, expected, values, atol=1e-5, rtol=1e-4)
    for mode in (torch.no_grad, torch.inference_mode):
        with mode():
            again = target_logprobs(model, states, target, temperature)
        torch.testing.assert_close(again, got.detach())


def test_no_tokens_are_no_chunks(monkeypatch):
    monkeypatch.setattr(token_logprobs, "MOST_LOGITS", -1)
    empty = torch.zeros(0, 32, requires_grad=True)
    got = target_logprobs(tiny_model("qwen3"), empty, torch.zeros(0, dtype=torch.long))
    assert got.shape == (0,)
    got.sum().backward()
    assert empty.grad.shape == (0, 32)


@pytest.mark.parametrize("scaling", SCALINGS[:4])
def test_the_kernel_of_liger_is_given_what_it_needs(scaling, monkeypatch):
    def apply(states, weight, target, bias, _classes, ignored, square, smoothing, reduction, cap):
        assert (bias, ignored, square, smoothing, reduction) == (None, -100, 0.0, 0.0, "none")
        return (-whole(states, weight, None, target, LogitScaling(cap=cap)), None, None, None)

    module = SimpleNamespace(LigerFusedLinearCrossEntropyFunction=SimpleNamespace(apply=apply))
    monkeypatch.setitem(sys.modules, "liger_kernel.ops.fused_linear_cross_entropy", module)
    monkeypatch.setitem(sys.modules, "liger_kernel", SimpleNamespace())
    monkeypatch.setitem(sys.modules, "liger_kernel.ops", SimpleNamespace())
    values, target = inputs(bias=False), torch.arange(37)
    scaling = scaling._replace(temperature=1.0) if scaling.cap else scaling
    got = liger.liger_logprobs(values[0], values[1], target, scaling)
    compare(got, whole(*values, target, scaling), values, atol=1e-5, rtol=1e-5)
