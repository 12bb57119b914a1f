"""Attention of answers to the prompt that they share, whose keys and values are held once.

The queries of a prompt's answers meet its keys in one product, and the keys of their own answer in
another; one softmax spans both. So what is read for each new token does not grow with the number
of answers by the prompt's length.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

from benchkit.lm.architecture import can_share_prefix, unwrap_peft
from benchkit.lm.packing.token_logprobs import lm_head_logits
from benchkit.lm.sampling.answer_cache import AnswerCache, SharedPromptLayer

ATTENTION_NAME = "benchkit_shared_prompt"
_USUAL = ("sdpa", "flash_attention_2", "flash_attention_3")
_KINDS = {"full_attention", "sliding_attention"}  # of layers


def can_hold_prompts_once(model: Any) -> bool:
    """Return whether answers of a model can read one copy of their prompt.

    Attention with soft caps or sinks needs more than `attend_to_prompt_and_answer` computes, that
    in chunks another mask than `_mask` makes, and layers that read the keys of another layer
    (Gemma 3n) have no prompt of their own.
    """
    causal = unwrap_peft(model)
    config = causal.config.get_text_config()
    usual = causal.config._attn_implementation in _USUAL
    usual = usual and set(getattr(config, "layer_types", None) or ()) <= _KINDS
    for setting in ("attn_logit_softcapping", "num_kv_shared_layers"):
        usual = usual and not getattr(config, setting, None)
    has_sinks = any(hasattr(module, "sinks") for module in causal.modules())
    return usual and not has_sinks and can_share_prefix(model)


@contextmanager
def attend_to_prompts(model: Any) -> Iterator[None]:
    """Let `model` read single tokens of answers after prompts that an AnswerCache holds once."""
    before = model.config._attn_implementation
    model.set_attn_implementation(ATTENTION_NAME)
    try:
        yield
    finally:
        model.set_attn_implementation(before)


def next_logits(
    model: Any, cache: AnswerCache, tokens: Tensor, positions: Tensor, mask: Tensor | None
) -> Tensor:
    """Return [rows, vocabulary] float32 logits after one more token of each answer.

    Args:
        model: Inside `attend_to_prompts`.
        cache: Prompts and answers so far; the tokens are added.
        tokens: [rows, 1].
        positions: [rows, 1].
        mask: [rows, tokens] of prompts and answers, where prompts are padded on the left.
    """
    causal = unwrap_peft(model)
    if cache.hidden is None:  # nothing to hide: no mask need be made of it for each layer
        mask = None
    out = causal.get_decoder()(
        input_ids=tokens, attention_mask=mask, position_ids=positions, past_key_values=cache,
        use_cache=True, answer_cache=cache,
    )  # fmt: skip
    return lm_head_logits(causal, out.last_hidden_state[:, -1])


def attend_to_prompt_and_answer(
    query: Tensor,
    prompt: tuple[Tensor, Tensor],
    answer: tuple[Tensor, Tensor],
    hidden: Tensor | None,
    scaling: float,
) -> Tensor:
    """Return [rows, heads, 1, width] what the last tokens of answers read.

    Args:
        query: [rows, heads, 1, d], of the answers of the first prompt, then of the next.
        prompt: Keys and values, [b, groups, p, d] and [b, groups, p, width]; groups of heads share
            them.
        answer: Keys and values, [rows, groups, t, d] and [rows, groups, t, width].
        hidden: [b, p] True where a prompt is padding.
        scaling: Of the products.
    """
    rows, heads, _, d = query.shape
    prompts, groups, length, _ = prompt[0].shape
    n, shared = rows // prompts, heads // groups

    def by_prompt(x: Tensor) -> Tensor:  # rows of answers -> [b, groups, n * shared, ...]
        return x.reshape(prompts, n, groups, shared, -1).transpose(1, 2).flatten(2, 3)

    def by_row(x: Tensor) -> Tensor:  # back to [rows, groups, shared, ...]
        x = x.reshape(prompts, groups, n, shared, -1).transpose(1, 2)
        return x.reshape(rows, groups, shared, -1)

    query = query.reshape(rows, groups, shared, d) * scaling
    to_prompt = (by_prompt(query) @ prompt[0].transpose(-1, -2)).float()
    if hidden is not None:
        to_prompt = to_prompt.masked_fill(hidden[:, None, None], -torch.inf)
    to_answer = by_prompt((query @ answer[0].transpose(-1, -2)).float())
    weights = torch.cat([to_prompt, to_answer], dim=-1).softmax(dim=-1).to(query.dtype)
    out = by_row(weights[..., :length] @ prompt[1]) + by_row(weights[..., length:]) @ answer[1]
    return out.reshape(rows, heads, 1, -1)


def _attention(
    module: Any,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float | None = None,
    dropout: float = 0.0,
    *,
    answer_cache: AnswerCache,
    **kwargs: Any,
) -> tuple[Tensor, None]:
    """Attention of transformers' interface, by layer: to a prompt held once, or the usual one."""
    layer = answer_cache.layers[module.layer_idx]
    if not isinstance(layer, SharedPromptLayer) or layer.prompt is None:
        out, _ = sdpa_attention_forward(
            module, query, key, value, attention_mask, dropout, scaling, **kwargs
        )
        return out, None
    width = query.shape[-1]
    out = attend_to_prompt_and_answer(
        query, layer.prompt, (key, value), answer_cache.hidden,
        width**-0.5 if scaling is None else scaling,
    )  # fmt: skip
    return out.transpose(1, 2).contiguous(), None


def _mask(*, q_length: int, attention_mask: Tensor | None = None, **kwargs: Any) -> Tensor | None:
    """Return the mask of a kind of layer, as transformers' interface wants it.

    A single token sees all that a cache holds, also of a window, which keeps no more than it spans:
    without padding no mask is needed, and making one takes as long as attending.
    """
    if q_length == 1 and attention_mask is None:
        return None
    mask: Tensor | None = sdpa_mask(q_length=q_length, attention_mask=attention_mask, **kwargs)
    return mask


AttentionInterface.register(ATTENTION_NAME, _attention)
AttentionMaskInterface.register(ATTENTION_NAME, _mask)
