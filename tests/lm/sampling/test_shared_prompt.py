"""Answers that read one copy of their prompt are those that read a copy each."""

from typing import Any

import pytest
import torch
import torch.nn.functional as F

from benchkit.lm.sampling import completions
from benchkit.lm.sampling.answer_cache import AnswerCache
from benchkit.lm.sampling.completions import sample_completions
from benchkit.lm.sampling.shared_prompt import (
    attend_to_prompt_and_answer,
    attend_to_prompts,
    can_hold_prompts_once,
    next_logits,
)
from benchkit.lm.sampling.token_draws import UniformStreams
from tests.support.other_architectures import other_model
from tests.support.tiny_models import tiny_model

PROMPTS = [list(range(3, 43)), list(range(50, 61)), [7]]
KEYS = ["a", "b", "c"]


@pytest.mark.parametrize("groups", [1, 2, 6])
@pytest.mark.parametrize("padding", [0, 4])
def test_attention_is_that_over_repeated_keys(groups: int, padding: int) -> None:
    draw = torch.Generator().manual_seed(groups)
    prompts, n, heads, length, tokens, d, width = 2, 3, 6, 9, 4, 8, 5
    rows = prompts * n

    def random(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=draw)

    query = random(rows, heads, 1, d)
    prompt = random(prompts, groups, length, d), random(prompts, groups, length, width)
    answer = random(rows, groups, tokens, d), random(rows, groups, tokens, width)
    hidden = torch.arange(length).expand(prompts, -1) < torch.tensor([[padding], [0]])
    keys, values = (
        torch.cat([once.repeat_interleave(n, dim=0), own], dim=2).repeat_interleave(
            heads // groups, dim=1
        )
        for once, own in zip(prompt, answer, strict=True)
    )
    visible = torch.cat([~hidden.repeat_interleave(n, dim=0), torch.ones(rows, tokens) > 0], dim=1)
    expected = F.scaled_dot_product_attention(
        query, keys, values, visible[:, None, None], scale=0.3
    )
    result = attend_to_prompt_and_answer(query, prompt, answer, hidden, 0.3)
    torch.testing.assert_close(result, expected)


@pytest.mark.parametrize("kind", ["qwen3", "llama", "gemma3"])
@pytest.mark.parametrize("prompts", [PROMPTS, PROMPTS[:1], PROMPTS[2:]])
def test_logits_are_those_of_repeated_prompts(kind: str, prompts: list[list[int]]) -> None:
    model, n, steps = tiny_model(kind), 3, 20
    assert can_hold_prompts_once(model)
    width = max(map(len, prompts))
    ids = torch.tensor([[0] * (width - len(prompt)) + prompt for prompt in prompts])
    mask = torch.tensor([[0] * (width - len(prompt)) + [1] * len(prompt) for prompt in prompts])
    draw = torch.Generator().manual_seed(1)
    tokens = torch.randint(3, 60, (len(prompts) * n, steps), generator=draw)
    cache = AnswerCache(model.config, shares_prompts=True)
    position = (mask.cumsum(dim=-1) - 1).clamp(min=0)
    with torch.inference_mode():
        model(input_ids=ids, attention_mask=mask, position_ids=position, past_key_values=cache)
        cache.begin_answers(n, mask)
        mask = mask.repeat_interleave(n, dim=0)
        whole = torch.cat([ids.repeat_interleave(n, dim=0), tokens], dim=1)
        seen = torch.cat([mask, torch.ones_like(tokens)], dim=1)
        positions = (seen.cumsum(dim=-1) - 1).clamp(min=0)
        expected = model(input_ids=whole, attention_mask=seen, position_ids=positions).logits
        with attend_to_prompts(model):
            for step in range(steps):
                place = width + step
                logits = next_logits(
                    model, cache, tokens[:, step, None], positions[:, place, None],
                    seen[:, : place + 1],
                )  # fmt: skip
                torch.testing.assert_close(logits, expected[:, place], atol=2e-4, rtol=1e-4)
    assert model.config._attn_implementation == "sdpa"


@pytest.mark.parametrize("kind", ["qwen3", "llama", "gemma3"])
def test_samples_are_those_of_repeated_prompts(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model = tiny_model(kind)
    ask: dict[str, Any] = {"temperature": 1.0, "max_tokens": 40, "ends": range(3, 20)}
    shared = sample_completions(model, PROMPTS, UniformStreams.for_prompts(KEYS, 5, 7), **ask)
    monkeypatch.setattr(completions, "can_hold_prompts_once", lambda _model: False)
    repeated = sample_completions(model, PROMPTS, UniformStreams.for_prompts(KEYS, 5, 7), **ask)
    assert shared == repeated


def test_an_adapter_is_read_with_one_copy_of_the_prompt(monkeypatch: pytest.MonkeyPatch) -> None:
    peft = pytest.importorskip("peft")
    base = tiny_model("qwen3")
    ask: dict[str, Any] = {"temperature": 1.0, "max_tokens": 20}
    plain = sample_completions(base, PROMPTS, UniformStreams.for_prompts(KEYS, 4, 7), **ask)
    config = peft.LoraConfig(target_modules=["q_proj", "v_proj"], init_lora_weights=False)
    model = peft.get_peft_model(base, config).eval()
    assert can_hold_prompts_once(model)
    shared = sample_completions(model, PROMPTS, UniformStreams.for_prompts(KEYS, 4, 7), **ask)
    monkeypatch.setattr(completions, "can_hold_prompts_once", lambda _model: False)
    repeated = sample_completions(model, PROMPTS, UniformStreams.for_prompts(KEYS, 4, 7), **ask)
    assert shared == repeated != plain


def test_half_precision_stays_half_precision() -> None:
    model = tiny_model("gemma3").to(torch.bfloat16)
    [answers] = sample_completions(
        model, PROMPTS[:1], UniformStreams.for_prompts(["a"], 4, 7), temperature=1.0, max_tokens=20
    )
    assert [len(answer.tokens) for answer in answers] == [20] * 4


def test_a_prompt_leaves_the_batch_with_its_last_answer() -> None:
    model = tiny_model("qwen3")
    alone = [
        sample_completions(
            model, [prompt], UniformStreams.for_prompts([key], 4, 3), temperature=1.0,
            max_tokens=30, stopped=lambda tokens: tokens[-1] % 5 == 0,
        )[0]
        for prompt, key in zip(PROMPTS, KEYS, strict=True)
    ]  # fmt: skip
    together = sample_completions(
        model, PROMPTS, UniformStreams.for_prompts(KEYS, 4, 3), temperature=1.0,
        max_tokens=30, stopped=lambda tokens: tokens[-1] % 5 == 0,
    )  # fmt: skip
    assert together == alone


def test_models_that_attend_in_another_way_repeat_their_prompts() -> None:
    assert not can_hold_prompts_once(other_model("bloom", 60))
    for setting, value in (("attn_logit_softcapping", 50.0), ("num_kv_shared_layers", 1)):
        model = tiny_model("qwen3")
        setattr(model.config, setting, value)
        assert not can_hold_prompts_once(model)
    chunked = tiny_model("qwen3")
    chunked.config.layer_types = ["chunked_attention", "full_attention"]
    assert not can_hold_prompts_once(chunked)
    eager = tiny_model("qwen3")
    eager.set_attn_implementation("eager")
    assert not can_hold_prompts_once(eager)
    sinks = tiny_model("qwen3")
    sinks.model.layers[0].self_attn.sinks = torch.nn.Parameter(torch.zeros(2))
    assert not can_hold_prompts_once(sinks)
