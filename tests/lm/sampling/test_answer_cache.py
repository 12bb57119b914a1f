"""A cache that grows in place holds what the cache of transformers holds."""

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers.cache_utils import DynamicLayer, DynamicSlidingWindowLayer

from benchkit.lm.sampling.answer_cache import AnswerCache, GrowingLayer, SharedPromptLayer
from tests.support.tiny_models import tiny_model

STEPS = st.lists(
    st.tuples(st.sampled_from(["add", "repeat", "select", "crop", "reset"]), st.integers(1, 70)),
    max_size=12,
)


def states(batch: int, tokens: int, draw: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """Random keys and values."""
    keys, values = torch.rand(2, batch, 2, tokens, 3, generator=draw)
    return keys, values


@given(STEPS)
def test_growing_layer_holds_what_a_dynamic_layer_holds(steps: list[tuple[str, int]]) -> None:
    draw = torch.Generator().manual_seed(0)
    layer, reference = GrowingLayer(), DynamicLayer()
    batch = 2
    for step, number in [("add", 5), *steps]:
        if step == "add":
            new = states(batch, number, draw)
            for one, other in zip(layer.update(*new), reference.update(*new), strict=True):
                assert torch.equal(one, other)
        elif step == "reset":
            layer.reset()
            reference.reset()
            assert layer.get_seq_length() == 0
            batch = 2
            continue
        elif not reference.get_seq_length():
            continue
        elif step == "repeat":
            repeats = 1 + number % 2
            layer.batch_repeat_interleave(repeats)
            reference.batch_repeat_interleave(repeats)
            batch *= repeats
        elif step == "select":
            chosen = torch.arange(batch)[number % batch :]
            layer.batch_select_indices(chosen)
            reference.batch_select_indices(chosen)
            batch = len(chosen)
        elif reference.get_seq_length() > number:
            layer.crop(-number)
            reference.crop(-number)
        assert torch.equal(layer.keys, reference.keys)
        assert torch.equal(layer.values, reference.values)
        assert layer.get_seq_length() == reference.get_seq_length()
        assert layer.get_mask_sizes(3) == reference.get_mask_sizes(3)


def test_a_token_is_added_without_a_copy_of_the_others() -> None:
    draw = torch.Generator().manual_seed(0)
    layer = GrowingLayer()
    layer.update(*states(1, 1000, draw))
    layer.update(*states(1, 1, draw))
    places = set()
    for _ in range(100):
        keys, _ = layer.update(*states(1, 1, draw))
        places.add(keys.data_ptr())
    assert len(places) == 1
    assert keys.shape[-2] == 1101


@pytest.mark.parametrize("shares", [False, True])
def test_layers_with_a_window_stay_those_of_transformers(shares: bool) -> None:
    model: Any = tiny_model("gemma3")
    windowed, plain = (type(layer) for layer in AnswerCache(model.config, shares).layers)
    assert windowed is DynamicSlidingWindowLayer
    assert plain is (SharedPromptLayer if shares else GrowingLayer)


def test_prompts_are_held_once_and_answers_apart() -> None:
    draw = torch.Generator().manual_seed(0)
    layer = SharedPromptLayer()
    prompts = states(3, 7, draw)
    layer.update(*prompts)
    assert layer.get_seq_length() == 7
    layer.begin_answers()
    assert layer.get_seq_length() == 7
    first, second = states(6, 1, draw), states(6, 1, draw)
    layer.update(*first)
    keys, values = layer.update(*second)
    assert torch.equal(keys, torch.cat([first[0], second[0]], dim=2))
    assert torch.equal(values, torch.cat([first[1], second[1]], dim=2))
    assert layer.get_seq_length() == 9
    layer.keep(torch.tensor([2]), torch.tensor([5]))
    assert layer.prompt is not None
    assert torch.equal(layer.prompt[1], prompts[1][2:])
    assert torch.equal(layer.keys, keys[5:])
    layer.reset()
    assert layer.get_seq_length() == 0
