"""Drawing answers: right distribution, one stream an answer, the prompt computed once."""

from typing import Any

import numpy as np
import pytest
import torch
from transformers import LogitsProcessor

from benchkit.lm.sampling.completions import sample_completions
from benchkit.lm.sampling.token_draws import UniformStreams, sample_tokens
from tests.support.tiny_models import tiny_model

PROMPTS = [list(range(3, 43)), list(range(50, 61)), [7]]
KEYS = ["a", "b", "c"]


def test_a_token_is_drawn_by_inverting_the_cumulative_distribution():
    logits = torch.tensor([[0.0, np.log(2.0), np.log(5.0)]]).repeat(4, 1)
    uniform = torch.tensor([0.12, 0.13, 0.37, 0.38], dtype=torch.float64)
    assert sample_tokens(logits, uniform, temperature=1.0).tolist() == [0, 1, 1, 2]


def test_temperature_zero_takes_the_likeliest():
    assert sample_tokens(
        torch.tensor([[1.0, 3.0, 2.0]]), torch.zeros(1), temperature=0.0
    ).tolist() == [1]


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        ({}, [0.5, 0.3, 0.15, 0.05]),
        ({"top_k": 2}, [0.625, 0.375, 0, 0]),
        ({"top_p": 0.6}, [0.625, 0.375, 0, 0]),
        ({"top_p": 0.5}, [1, 0, 0, 0]),
        ({"top_k": 3, "top_p": 0.9}, [0.5 / 0.95, 0.3 / 0.95, 0.15 / 0.95, 0]),
    ],
)
def test_top_k_and_top_p_cut_the_distribution(limits, expected):
    order = [2, 0, 3, 1]  # the likeliest token does not come first
    logits = torch.tensor([0.5, 0.3, 0.15, 0.05]).log()[[order.index(i) for i in range(4)]]
    uniform = (torch.arange(10_000, dtype=torch.float64) + 0.5) / 10_000
    tokens = sample_tokens(logits.repeat(10_000, 1), uniform, 1.0, **limits)
    shares = np.bincount(tokens, minlength=4)[order] / 10_000
    np.testing.assert_allclose(shares, expected, atol=2e-4)


def test_a_token_without_probability_is_never_drawn():
    logits = torch.tensor([[0.0, -torch.inf, 0.0, -torch.inf]])
    for uniform in (0.0, 0.4999999, 0.5, np.nextafter(1.0, 0.0)):
        token = sample_tokens(logits, torch.tensor([uniform], dtype=torch.float64), 1.0)
        assert token.item() in (0, 2)


class Inverted(LogitsProcessor):
    """Leaves one token a row: the one that benchkit's stream of random numbers gives."""

    def __init__(self, uniforms: UniformStreams, prompt: int, temperature: float) -> None:
        self.uniforms, self.prompt, self.temperature = uniforms, prompt, temperature

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        uniform = torch.from_numpy(self.uniforms.at_step(input_ids.shape[1] - self.prompt))
        token = sample_tokens(scores, uniform.to(scores.device), self.temperature)
        return torch.full_like(scores, -torch.inf).scatter(1, token[:, None], 0.0)


@pytest.mark.parametrize("kind", ["qwen3", "llama", "gemma3"])
def test_tokens_equal_those_of_num_return_sequences(kind):
    model, prompt = tiny_model(kind), torch.tensor(PROMPTS[:1])
    model.generation_config.eos_token_id = None  # all 25 tokens
    expected = model.generate(
        prompt, attention_mask=torch.ones_like(prompt), do_sample=True, num_return_sequences=5,
        max_new_tokens=25, top_k=0,
        logits_processor=[Inverted(UniformStreams.for_prompts(["a"], 5, 0), len(PROMPTS[0]), 0.7)],
    )  # fmt: skip
    found = sample_completions(
        model, PROMPTS[:1], UniformStreams.for_prompts(["a"], 5, 0), temperature=0.7, max_tokens=25
    )
    assert [d.tokens for d in found[0]] == expected[:, len(PROMPTS[0]) :].tolist()
    assert len({tuple(d.tokens) for d in found[0]}) == 5


@pytest.mark.parametrize("kind", ["qwen3", "llama", "gemma3"])
def test_answers_do_not_depend_on_the_batch(kind):
    model = tiny_model(kind)
    ask: dict[str, Any] = {"temperature": 1.0, "max_tokens": 30, "ends": range(3, 20)}
    whole = sample_completions(model, PROMPTS, UniformStreams.for_prompts(KEYS, 4, 7), **ask)
    for prompt, key, expected in zip(PROMPTS, KEYS, whole, strict=True):
        assert sample_completions(
            model, [prompt], UniformStreams.for_prompts([key], 4, 7), **ask
        ) == [expected]
    lengths = {len(drawn.tokens) for own in whole for drawn in own}
    assert len(lengths) > 2  # answers end at different steps, so rows leave the batch


def test_an_answer_ends_or_is_cut_off():
    model = tiny_model("qwen3")
    free = sample_completions(
        model, PROMPTS[:1], UniformStreams.for_prompts(["a"], 1, 0), temperature=0.0, max_tokens=6
    )[0][0]
    assert (len(free.tokens), free.ended) == (6, False)
    at = free.tokens.index(free.tokens[2])
    ask: dict[str, Any] = {"temperature": 0.0, "max_tokens": 6}
    ended = sample_completions(
        model, PROMPTS[:1], UniformStreams.for_prompts(["a"], 1, 0), ends=[free.tokens[2]], **ask
    )[0][0]
    assert (ended.tokens, ended.ended) == (free.tokens[:at], True)
    stopped = sample_completions(
        model,
        PROMPTS[:1],
        UniformStreams.for_prompts(["a"], 1, 0),
        stopped=lambda t: len(t) == 4,
        **ask,
    )
    assert (stopped[0][0].tokens, stopped[0][0].ended) == (free.tokens[:4], True)
