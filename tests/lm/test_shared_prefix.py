"""A prompt computed once for all responses equals the prompt repeated before each of them."""

from typing import Any

import peft
import pytest
import torch

from benchkit.errors import MethodError
from benchkit.lm import shared_prefix as sp
from tests.support.tiny_models import tiny_model

KINDS = ("qwen3", "llama", "gemma3", "gemma3-vision")


def ids(generator: torch.Generator, length: int) -> list[int]:
    return torch.randint(3, 300, (length,), generator=generator).tolist()


def example(seed: int, prompt: int, lengths: list[int]) -> tuple[list[int], list[list[int]]]:
    generator = torch.Generator().manual_seed(seed)
    return ids(generator, prompt), [ids(generator, length) for length in lengths]


BATCH = [
    example(1, 40, [3, 7, 1]),
    example(2, 23, [5, 2, 9, 4]),
    example(3, 1, [6]),
    example(4, 70, [2, 2, 2, 2, 2]),
]


def separately(model: Any, prompt: list[int], response: list[int]) -> torch.Tensor:
    """[r] the oracle: one plain forward pass of prompt and response."""
    row = torch.tensor([prompt + response])
    logprobs = model(row).logits[0].log_softmax(dim=-1)
    at = torch.arange(len(prompt) - 1, len(prompt) + len(response) - 1)
    return logprobs[at, torch.tensor(response)]


def together(model: Any, batch: list[tuple[list[int], list[list[int]]]]) -> list[torch.Tensor]:
    packed = sp.pack_batch([p for p, _ in batch], [r for _, r in batch])
    found = sp.response_token_logprobs(model, packed)
    block = packed.layout.block
    return [
        found[row][block[row] == k] for row, (_, own) in enumerate(batch) for k in range(len(own))
    ]


@pytest.mark.parametrize("kind", KINDS)
def test_log_probabilities_equal_those_of_separate_passes(kind):
    model = tiny_model(kind)
    with torch.no_grad():
        expected = [separately(model, p, r) for p, own in BATCH for r in own]
        with sp.use_shared_prefix(model):
            found = together(model, BATCH)
    for ours, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=0)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("side", ["left", "right"])
def test_padding_on_either_side_changes_nothing(kind, side):
    model, width = tiny_model(kind), 80
    rows = [(prompt, own[0]) for prompt, own in BATCH]
    ids, mask = torch.zeros(len(rows), width, dtype=torch.long), torch.zeros(len(rows), width)
    starts = []
    for row, (prompt, response) in enumerate(rows):
        length = len(prompt) + len(response)
        starts.append(width - length if side == "left" else 0)
        ids[row, starts[-1] : starts[-1] + length] = torch.tensor(prompt + response)
        mask[row, starts[-1] : starts[-1] + length] = 1
    position = (mask.cumsum(-1) - 1).clamp(min=0).long()
    with torch.no_grad():
        padded = model(ids, attention_mask=mask, position_ids=position).logits.log_softmax(-1)
        with sp.use_shared_prefix(model):
            found = together(model, [(prompt, [response]) for prompt, response in rows])
    for row, (prompt, response) in enumerate(rows):
        at = starts[row] + len(prompt) - 1 + torch.arange(len(response))
        expected = padded[row, at, torch.tensor(response)]
        torch.testing.assert_close(found[row], expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("checkpointing", [False, True])
def test_gradients_equal_those_of_separate_passes_with_lora(kind, checkpointing):
    model = tiny_model(kind)
    config = peft.LoraConfig(r=4, target_modules="all-linear", init_lora_weights=False)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        model = peft.get_peft_model(model, config)
    model.train()  # no dropout in these models
    sum(w for p, own in BATCH for r in own for w in separately(model, p, r).unbind()).backward()
    expected = {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}
    model.zero_grad()
    if checkpointing:
        model.enable_input_require_grads()
        model.gradient_checkpointing_enable({"use_reentrant": False})
    with sp.use_shared_prefix(model):
        torch.cat(together(model, BATCH)).sum().backward()
    assert len(expected) == 2 * 2 * 7
    for name, parameter in model.named_parameters():
        if name in expected:
            error = (parameter.grad - expected[name]).norm() / expected[name].norm()
            assert error < 1e-4, name


def test_sums_are_over_the_tokens_of_each_response():
    packed = sp.pack_batch([[5, 6], [7]], [[[1, 2], [3]], [[4, 4, 4]]])
    values = torch.tensor([[1.0, 2.0, 4.0], [8.0, 8.0, 8.0]])
    assert sp.sum_per_response(packed, values).tolist() == [[3.0, 4.0], [24.0, 0.0]]


def test_the_model_attends_as_before_afterwards():
    model = tiny_model("gemma3")
    row = torch.arange(3, 60)[None]
    with torch.no_grad():
        before = model(row).logits
        with sp.use_shared_prefix(model):
            together(model, BATCH)
        torch.testing.assert_close(model(row).logits, before)


def test_a_final_soft_cap_is_applied():
    model = tiny_model("gemma3")
    model.config.final_logit_softcapping = 2.0
    with torch.no_grad(), sp.use_shared_prefix(model):
        found = together(model, BATCH)[0]
    with torch.no_grad():
        torch.testing.assert_close(found, separately(model, BATCH[0][0], BATCH[0][1][0]))


def test_what_cannot_be_shared_is_refused():
    model = tiny_model("qwen3")
    with sp.use_shared_prefix(model), pytest.raises(MethodError, match="no layout"):
        model(torch.tensor([[1, 2]]))
