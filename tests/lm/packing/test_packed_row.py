"""Batches in one row without padding give what padded rows give."""

import warnings

import peft
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn.functional import scaled_dot_product_attention

from benchkit.errors import MethodError
from benchkit.lm import shared_prefix as sp
from benchkit.lm.packing import block_masks
from benchkit.lm.packing.attention import Heads
from benchkit.lm.packing.block_masks import BLOCK, block_mask_row
from benchkit.lm.packing.kernels import arrange_batch, choose_kernel, flex_works, force_kernel
from benchkit.lm.packing.packed_row import GroupedRow, Row, group_by_size, group_row
from tests.support.tiny_models import WINDOW, tiny_model

KINDS = ("qwen3", "llama", "gemma3", "gemma3-vision")
LAYOUTS = {
    "one response each": [(9, [4]), (30, [2]), (61, [7])],
    "many responses": [(40, [3, 7, 1]), (23, [5, 2, 9, 4]), (70, [2] * 5), (5, [1, 1])],
    "prompts of one token": [(1, [3, 2]), (1, [6]), (1, [1, 1, 1])],
    "some prompts of one token": [(1, [3, 2]), (50, [6])],
    "responses longer than prompts": [(3, [40, 21]), (2, [35])],
    "one example": [(33, [4, 5])],
    "all alike": [(20, [3, 3])] * 4,
    "longer than a block": [(150, [70, 80, 3]), (90, [1]), (290, [100])],
}


def packed(lengths: list[tuple[int, list[int]]]) -> sp.PackedBatch:
    generator = torch.Generator().manual_seed(len(lengths))

    def ids(length: int) -> list[int]:
        return torch.randint(3, 300, (length,), generator=generator).tolist()

    return sp.pack_batch(
        [ids(p) for p, _ in lengths], [[ids(r) for r in own] for _, own in lengths]
    )


def logprobs(model, batch, kernel):
    with force_kernel(kernel), sp.use_shared_prefix(model):
        return sp.response_token_logprobs(model, batch)


@pytest.mark.parametrize("pairs_per_group", [0, 500, 10**9])
@pytest.mark.parametrize("kind", KINDS)
def test_groups_give_the_losses_of_padded_rows(kind, pairs_per_group, monkeypatch):
    monkeypatch.setattr("benchkit.lm.packing.packed_row._PAIRS_PER_GROUP", {"cpu": pairs_per_group})
    model = tiny_model(kind)
    for name, lengths in LAYOUTS.items():
        batch = packed(lengths)
        with torch.no_grad():
            expected, got = (logprobs(model, batch, kernel) for kernel in ("padded", "grouped"))
        torch.testing.assert_close(got, expected, atol=1e-5, rtol=0, msg=lambda m, n=name: n + m)


@pytest.mark.parametrize("kind", KINDS)
def test_block_masks_give_the_losses_of_padded_rows(kind):
    model = tiny_model(kind)
    for name, lengths in LAYOUTS.items():
        batch = packed(lengths)
        with torch.no_grad():
            expected, got = (logprobs(model, batch, kernel) for kernel in ("padded", "flex"))
        torch.testing.assert_close(got, expected, atol=1e-5, rtol=0, msg=lambda m, n=name: n + m)


@pytest.mark.parametrize("checkpointing", [False, True])
@pytest.mark.parametrize("pairs_per_group", [0, 10**9])
@pytest.mark.parametrize("kind", KINDS)
def test_groups_give_the_gradients_of_padded_rows(
    kind, pairs_per_group, checkpointing, monkeypatch
):
    monkeypatch.setattr("benchkit.lm.packing.packed_row._PAIRS_PER_GROUP", {"cpu": pairs_per_group})
    model = tiny_model(kind).train()
    if checkpointing:
        model.gradient_checkpointing_enable({"use_reentrant": False})
    for name, lengths in LAYOUTS.items():
        batch, gradients = packed(lengths), []
        for kernel in ("padded", "grouped"):
            model.zero_grad()
            with force_kernel(kernel), sp.use_shared_prefix(model):
                values = sp.response_token_logprobs(model, batch)
                (values * torch.linspace(-1, 1, values.numel()).view_as(values)).sum().backward()
            gradients.append({n: p.grad for n, p in model.named_parameters() if p.grad is not None})
        assert gradients[0].keys() == gradients[1].keys() and gradients[0]
        for parameter, expected in gradients[0].items():
            error = (gradients[1][parameter] - expected).norm()
            assert error <= 1e-4 * expected.norm() + 1e-6, (name, parameter)


def test_adapters_of_all_layers_are_trained_in_groups():
    model = tiny_model("qwen3")
    config = peft.LoraConfig(r=4, target_modules="all-linear", init_lora_weights=False)
    model = peft.get_peft_model(model, config)
    batch, gradients = packed(LAYOUTS["many responses"]), []
    for kernel in ("padded", "grouped"):
        model.zero_grad()
        logprobs(model, batch, kernel).sum().backward()
        gradients.append([p.grad.clone() for p in model.parameters() if p.requires_grad])
    assert len(gradients[0]) == 2 * 2 * 7
    for expected, got in zip(*gradients, strict=True):
        torch.testing.assert_close(got, expected, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("window", [None, WINDOW, 100, 10_000])
@pytest.mark.parametrize("name", LAYOUTS)
def test_block_masks_leave_out_only_what_no_token_sees(name, window):
    batch = packed(LAYOUTS[name])
    row = block_mask_row(batch).layout
    size = len(row.example)
    at = torch.arange(size)
    for first in (0, row.width):
        mask = row.mask(window, first)
        sees = row.mask_function(window, first)
        dense = sees(torch.tensor(0), torch.tensor(0), at[: size - first, None], at[None])
        some, full = (torch.zeros(-(-(size - first) // BLOCK), -(-size // BLOCK)) for _ in range(2))
        for table, count, which in (
            (some, mask.kv_num_blocks, mask.kv_indices),
            (full, mask.full_kv_num_blocks, mask.full_kv_indices),
        ):
            for line in range(len(table)):
                table[line, which[0, 0, line, : count[0, 0, line]].long()] = 1
        assert not (some * full).any()
        for line in range(len(some)):
            for column in range(some.shape[1]):
                part = dense[line * BLOCK :, column * BLOCK :][:BLOCK, :BLOCK]
                assert not full[line, column] or part.all()
                assert some[line, column] + full[line, column] or not part.any()
    # Most blocks of a large mask see nothing, or need no look at the tokens.
    if name == "longer than a block" and window is None:
        assert some.sum() + full.sum() < some.numel()


@pytest.mark.parametrize("window", [None, WINDOW])
def test_the_mask_of_blocks_has_the_gradients_of_groups(window):
    # FlexAttention has no backward pass on a CPU: its mask is given to another attention.
    batch = packed(LAYOUTS["longer than a block"])
    masked = block_mask_row(batch).layout
    at = torch.arange(len(masked.example))
    dense = masked.mask_function(window)(None, None, at[:, None], at[None])
    shape = (len(at), 8)
    heads = [torch.randn((1, count, *shape)).requires_grad_() for count in (4, 2, 2)]
    order = block_order(batch)
    gradients = []
    for kind in ("mask", "groups"):
        if kind == "mask":
            out = scaled_dot_product_attention(*heads, dense, enable_gqa=True)
        else:
            moved = Heads(*(x[:, :, order] for x in heads))
            out = group_row(batch).layout.attend(moved, window, None, skip_prompt=False)
            out = torch.empty_like(out).index_copy(2, order, out)
        gradients.append([out, *torch.autograd.grad(out.square().sum(), heads)])
    for expected, got in zip(*gradients, strict=True):
        torch.testing.assert_close(got, expected, atol=1e-4, rtol=1e-4)


def block_order(batch):
    """[n] where each token of a row in groups lies in a row with block masks."""
    number = torch.arange(batch.input_ids.numel()).view_as(batch.input_ids)
    numbered = sp.PackedBatch(
        number, batch.position_ids, batch.target, batch.layout, batch.max_responses
    )
    in_blocks = block_mask_row(numbered).input_ids[0]
    place = torch.full((number.numel(),), -1)
    place[in_blocks] = torch.arange(len(in_blocks))
    return place[group_row(numbered).input_ids[0]]


@given(
    sizes=st.lists(st.tuples(st.integers(0, 500), st.integers(1, 200)), min_size=1, max_size=30),
    pairs=st.integers(0, 10**6),
)
def test_groups_hold_each_example_once(sizes, pairs):
    groups = group_by_size([p for p, _ in sizes], [r for _, r in sizes], pairs)
    assert sorted(example for group in groups for example in group) == list(range(len(sizes)))
    if pairs == 0:
        assert all(len({sizes[example] for example in group}) == 1 for group in groups)


def test_a_batch_with_padding_is_computed_without_it():
    batch = packed([(200, [5, 5]), (20, [5]), (90, [3, 2])])
    assert batch.tokens > 1.1 * batch.useful_tokens
    row = arrange_batch(batch)
    assert isinstance(row, Row) and isinstance(row.layout, GroupedRow)
    assert row.input_ids.numel() == batch.useful_tokens == 199 + 19 + 89 + 20


def test_a_batch_without_padding_and_a_single_example_stay_as_they_are():
    for lengths in ([(20, [3, 3])] * 4, [(500, [9, 2])]):
        batch = packed(lengths)
        assert choose_kernel(batch) == "padded" and arrange_batch(batch) is batch


def test_a_kernel_is_forced_for_a_while():
    batch = packed([(20, [3])])
    with force_kernel("flex"):
        assert choose_kernel(batch) == "flex"
        with force_kernel("auto"):
            assert choose_kernel(batch) == "flex"
    assert choose_kernel(batch) == "padded"


def test_block_masks_are_refused_in_a_training_on_a_cpu():
    with pytest.raises(MethodError, match="CPU"):
        logprobs(tiny_model("qwen3"), packed([(20, [3])]), "flex")


@pytest.mark.parametrize("wrong", [False, True])
def test_block_masks_are_used_where_they_give_what_groups_give(wrong, monkeypatch):
    def attend(query, key, value, block_mask, scale, enable_gqa):
        rows, columns = torch.arange(query.shape[2])[:, None], torch.arange(key.shape[2])
        dense = block_mask.mask_mod(None, None, rows, columns)
        out = scaled_dot_product_attention(
            query, key, value, dense, scale=scale, enable_gqa=enable_gqa
        )
        return 2 * out if wrong else out

    monkeypatch.setattr(block_masks, "_kernel", lambda _: attend)
    flex_works.cache_clear()
    with torch.inference_mode(), warnings.catch_warnings(record=True) as raised:
        warnings.simplefilter("always")
        assert flex_works(torch.device("cpu")) != wrong
    assert any("other numbers" in str(w.message) for w in raised) == wrong
    flex_works.cache_clear()


def test_hidden_states_lie_where_the_batch_has_its_responses():
    model, batch = tiny_model("qwen3"), packed(LAYOUTS["many responses"])
    states = []
    with torch.no_grad(), sp.use_shared_prefix(model):
        for kernel in ("padded", "grouped", "flex"):
            with force_kernel(kernel):
                states.append(sp.hidden_states(model, batch)[batch.layout.block >= 0])
    torch.testing.assert_close(states[1], states[0], atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(states[2], states[0], atol=1e-5, rtol=1e-5)
