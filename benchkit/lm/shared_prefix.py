"""One forward pass over a prompt and all responses that follow it.

The usual way repeats the prompt in front of every response. Here a row holds the prompt once and
then the responses one after another (`packing.packed_batch`). So thirty candidates cost little more
than the prompt, and a training step on K responses costs P + K R tokens instead of K (P + R).
Examples of different length share a row without padding (`packing.kernels` says when).

The model must be in transformers' form: its attention goes through `AttentionInterface`. Heads
that need more than keys, queries and a window (logit soft caps in attention, sinks) are refused.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from transformers import AttentionInterface

from benchkit.errors import MethodError
from benchkit.lm.architecture import can_share_prefix, unwrap_peft
from benchkit.lm.packing.attention import Heads
from benchkit.lm.packing.kernels import arrange_batch
from benchkit.lm.packing.packed_batch import (
    PackedBatch,
    PackedLayout,
    batch_from_tensors,
    pack_batch,
    sum_per_response,
)
from benchkit.lm.packing.packed_row import Layout, Row
from benchkit.lm.packing.token_logprobs import lm_head_logits, target_logprobs
from benchkit.lm.states import skip_prompt_last_layer

__all__ = [
    "ATTENTION_NAME",
    "PackedBatch",
    "PackedLayout",
    "batch_from_tensors",
    "hidden_states",
    "lm_head_logits",
    "pack_batch",
    "response_states",
    "response_token_logprobs",
    "sum_per_response",
    "target_logprobs",
    "use_shared_prefix",
]

ATTENTION_NAME = "benchkit_shared_prefix"
_REFUSED = ("softcap", "s_aux")


@contextmanager
def use_shared_prefix(model: Any) -> Iterator[None]:
    """Let `model` attend as this module does. It must last through the backward pass, too.

    Any other forward pass of the model inside is wrong: padding masks are not built.

    Raises:
        MethodError: The model computes its own masks, or reads a state: a response would see the
            one before it.
    """
    if not can_share_prefix(model):
        raise MethodError(
            f"{type(unwrap_peft(model)).__name__} cannot read several responses behind one prompt,"
            " as this training needs it",
            "use a model whose attention goes through transformers' AttentionInterface, such as"
            " Llama, Qwen or Gemma 3, or ask this one by zero-shot",
        )
    before = model.config._attn_implementation
    model.set_attn_implementation(ATTENTION_NAME)
    try:
        with skip_prompt_last_layer.skip_prompt_in_last_layer(unwrap_peft(model).get_decoder()):
            yield
    finally:
        model.set_attn_implementation(before)


def hidden_states(model: Any, batch: PackedBatch) -> Tensor:
    """Return [b, t, hidden] last hidden states of the blocks, inside `use_shared_prefix`.

    Those of padding mean nothing.
    """
    arranged = arrange_batch(batch)
    states = _states(model, arranged)
    if not isinstance(arranged, Row):
        return states
    table = states.new_zeros(batch.target.numel(), states.shape[-1])
    return table.index_copy(0, arranged.places, states[0]).view(*batch.target.shape, -1)


def response_states(model: Any, batch: PackedBatch) -> tuple[Tensor, Tensor]:
    """Return [n, hidden] last hidden states of the response tokens, inside `use_shared_prefix`.

    Returns:
        The states, and [n] where each token lies in the flattened [b, t] of the batch.
    """
    arranged = arrange_batch(batch)
    states = _states(model, arranged)
    if isinstance(arranged, Row):
        return states[0], arranged.places
    valid = batch.layout.block >= 0
    return states[valid], valid.flatten().nonzero()[:, 0]


def _states(model: Any, batch: PackedBatch | Row) -> Tensor:
    """Return the last hidden states behind the prompts."""
    out = unwrap_peft(model).get_decoder()(
        input_ids=batch.input_ids,
        position_ids=batch.position_ids,
        use_cache=False,
        layout=batch.layout,
    )
    states: Tensor = out.last_hidden_state[:, batch.layout.width :]
    return states


def response_token_logprobs(model: Any, batch: PackedBatch) -> Tensor:
    """Return [b, t] float32 log-probability of each response token, 0 at padding.

    Logits are computed for response tokens alone, and at large vocabularies in pieces that the
    backward pass computes again. To be called inside `use_shared_prefix`.
    """
    states, places = response_states(model, batch)
    logprobs = target_logprobs(model, states, batch.target.flatten()[places])
    table = torch.zeros(batch.target.numel(), device=logprobs.device)
    return table.index_copy(0, places, logprobs).view(batch.target.shape)


def _attention(
    module: Any,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,  # noqa: ARG001
    scaling: float | None = None,
    dropout: float = 0.0,
    sliding_window: int | None = None,
    layout: Layout | None = None,
    **kwargs: Any,
) -> tuple[Tensor, None]:
    """Attention of a packed batch. query: [b, heads, n, d]; key, value: possibly fewer heads."""
    refused = [name for name in _REFUSED if kwargs.get(name) is not None]
    if layout is None or refused or dropout:
        raise MethodError(
            f"shared prefix: {type(module).__name__} cannot be computed with one prompt for all"
            f" responses ({', '.join(refused) or ('dropout' if dropout else 'no layout')})",
            "use a model without attention soft caps, sinks and dropout",
        )
    last = skip_prompt_last_layer.is_last_layer(module)
    out = layout.attend(Heads(query, key, value), sliding_window, scaling, last)
    return out.transpose(1, 2).contiguous(), None


AttentionInterface.register(ATTENTION_NAME, _attention)
