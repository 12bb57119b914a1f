"""One forward pass over a prompt and all responses that follow it.

The usual way repeats the prompt in front of every response. Here a row holds the prompt once and
then the responses one after another; a response attends to the prompt and to itself, with the
positions it would have right behind the prompt. So thirty candidates cost little more than the
prompt, and a training step on K responses costs P + K R tokens instead of K (P + R).

Each block of a response starts with the prompt's last token (which is taken from the prompt), so
that every response token is predicted within its own block. Two calls of scaled dot-product
attention do it: the prompt attends causally to itself, the blocks through a mask with one row a
response token. No mask over prompt x prompt is built; sliding windows are cut into bands.

The model must be in transformers' form: its attention goes through `AttentionInterface`. Heads
that need more than keys, queries and a window (logit soft caps in attention, sinks) are refused.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.checkpoint import checkpoint
from transformers import AttentionInterface

from benchkit.errors import MethodError
from benchkit.lm.architecture import can_share_prefix, unwrap_peft
from benchkit.lm.states import skip_prompt_last_layer

ATTENTION_NAME = "benchkit_shared_prefix"
_LOGITS_AT_ONCE = 64 << 20  # numbers: 256 MB of float32
_REFUSED = ("softcap", "s_aux")


@dataclass
class PackedLayout:
    """Where the tokens of a packed batch belong.

    prompt: [b] lengths of the prompts, which are padded on the right to `width` tokens.
    block: [b, t] which response a token is of, -1 for padding. position: [b, t] its position.
    """

    prompt: Tensor
    width: int
    block: Tensor
    position: Tensor
    masks: dict[int | None, Tensor] = field(default_factory=dict)

    def mask(self, window: int | None) -> Tensor:
        """Return [b, 1, t, width + t] which keys a response token sees, once per window."""
        if window not in self.masks:
            place = torch.arange(self.width, device=self.prompt.device)
            to_prompt = (place < self.prompt[:, None])[:, None, :]
            order = torch.arange(self.block.shape[1], device=self.prompt.device)
            to_response = (self.block[:, :, None] == self.block[:, None, :]) & (
                order[:, None] >= order[None, :]
            )
            if window is not None:
                to_prompt = to_prompt & (self.position[:, :, None] - place < window)
                to_response = to_response & (
                    self.position[:, :, None] - self.position[:, None, :] < window
                )
            to_prompt = to_prompt.expand(-1, self.block.shape[1], -1)
            self.masks[window] = torch.cat([to_prompt, to_response], dim=-1)[:, None]
        return self.masks[window]


@dataclass(frozen=True)
class PackedBatch:
    """Prompts with their responses as tensors.

    input_ids, position_ids: [b, width + t]. target: [b, t] the token that each position of the
    blocks predicts. responses: the largest number of responses of a prompt.
    """

    input_ids: Tensor
    position_ids: Tensor
    target: Tensor
    layout: PackedLayout
    max_responses: int

    @property
    def tokens(self) -> int:
        """Positions that the model computes, padding included."""
        return self.input_ids.numel()


def pack_batch(
    prompts: Sequence[Sequence[int]],
    responses: Sequence[Sequence[Sequence[int]]],
    pad: int = 0,
    device: str | torch.device = "cpu",
) -> PackedBatch:
    """Pack token ids of prompts and of their responses. No prompt and no response is empty."""
    width = max(len(prompt) for prompt in prompts) - 1
    size = max(sum(map(len, texts)) for texts in responses)
    shape = (len(prompts), width + size)
    ids = torch.full(shape, pad, dtype=torch.long)
    position = torch.zeros(shape, dtype=torch.long)
    target = torch.full((len(prompts), size), pad, dtype=torch.long)
    block = torch.full((len(prompts), size), -1, dtype=torch.long)
    for row, (prompt, row_responses) in enumerate(zip(prompts, responses, strict=True)):
        length = len(prompt) - 1
        ids[row, :length] = torch.tensor(prompt[:-1], dtype=torch.long)
        position[row, :width] = torch.arange(width)
        at = 0
        for number, response in enumerate(row_responses):
            end = at + len(response)
            ids[row, width + at : width + end] = torch.tensor([prompt[-1], *response[:-1]])
            target[row, at:end] = torch.tensor(response)
            block[row, at:end] = number
            position[row, width + at : width + end] = torch.arange(length, length + len(response))
            at = end
    lengths = torch.tensor([len(prompt) - 1 for prompt in prompts])
    position = position.to(device)
    layout = PackedLayout(lengths.to(device), width, block.to(device), position[:, width:])
    max_responses = max(map(len, responses))
    return PackedBatch(ids.to(device), position, target.to(device), layout, max_responses)


def batch_from_tensors(batch: Mapping[str, Tensor], responses: int) -> PackedBatch:
    """Return a packed batch from tensors of its fields, as a loader brings them to the device."""
    width = batch["input_ids"].shape[1] - batch["target"].shape[1]
    position = batch["position_ids"]
    layout = PackedLayout(batch["prompt"], width, batch["block"], position[:, width:])
    return PackedBatch(batch["input_ids"], position, batch["target"], layout, responses)


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
    """Return [b, t, hidden] last hidden states of the blocks, inside `use_shared_prefix`."""
    decoder = unwrap_peft(model).get_decoder()
    out = decoder(
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
    states = hidden_states(model, batch)
    valid = batch.layout.block >= 0
    logprobs = target_logprobs(model, states[valid], batch.target[valid])
    return torch.zeros(valid.shape, device=logprobs.device).masked_scatter(valid, logprobs)


def target_logprobs(model: Any, states: Tensor, target: Tensor) -> Tensor:
    """Return [n] float32 log-probability of tokens `target` [n] after hidden states [n, hidden]."""
    causal = unwrap_peft(model)

    def piece(state: Tensor, wanted: Tensor) -> Tensor:
        scores = lm_head_logits(causal, state)
        return scores.gather(-1, wanted[:, None])[:, 0] - scores.logsumexp(dim=-1)

    at_once = max(1, _LOGITS_AT_ONCE // causal.get_output_embeddings().weight.shape[0])
    if len(target) <= at_once:
        return piece(states, target)
    parts = zip(torch.split(states, at_once), torch.split(target, at_once), strict=True)
    if torch.is_grad_enabled():
        return torch.cat([checkpoint(piece, s, t, use_reentrant=False) for s, t in parts])
    return torch.cat([piece(s, t) for s, t in parts])


def lm_head_logits(causal: Any, states: Tensor) -> Tensor:
    """Return [n, vocabulary] float32 logits of hidden states, with the model's own scaling."""
    config = causal.config.get_text_config()
    scores: Tensor = causal.get_output_embeddings()(states).float()
    if scale := getattr(config, "logits_scaling", None):  # Granite
        scores = scores / scale
    if scale := getattr(config, "logit_scale", None):  # Cohere
        scores = scores * scale
    if cap := getattr(config, "final_logit_softcapping", None):  # Gemma
        scores = torch.tanh(scores / cap) * cap
    return scores


def sum_per_response(batch: PackedBatch, values: Tensor) -> Tensor:
    """Return [b, k] sum of [b, t] values over the tokens of each response."""
    block = batch.layout.block
    result = torch.zeros(
        len(block), batch.max_responses + 1, dtype=values.dtype, device=values.device
    )
    # Padding has block -1: it goes to a last column of its own.
    return result.scatter_add(1, block % (batch.max_responses + 1), values)[:, :-1]


def _attention(
    module: Any,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,  # noqa: ARG001
    scaling: float | None = None,
    dropout: float = 0.0,
    sliding_window: int | None = None,
    layout: PackedLayout | None = None,
    **kwargs: Any,
) -> tuple[Tensor, None]:
    """Attention of a packed batch. query: [b, heads, width + t, d]; key, value: fewer heads."""
    refused = [name for name in _REFUSED if kwargs.get(name) is not None]
    if layout is None or refused or dropout:
        raise MethodError(
            f"shared prefix: {type(module).__name__} cannot be computed with one prompt for all"
            f" responses ({', '.join(refused) or ('dropout' if dropout else 'no layout')})",
            "use a model without attention soft caps, sinks and dropout",
        )
    groups = query.shape[1] // key.shape[1]
    if groups > 1:
        key, value = (x.repeat_interleave(groups, dim=1) for x in (key, value))
    width = layout.width
    parts = []
    if width:
        q, k, v = (x[:, :, :width] for x in (query, key, value))
        if skip_prompt_last_layer.is_last_layer(module):  # its output for the prompt is not read
            parts.append(torch.zeros_like(q))
        elif sliding_window is None or sliding_window >= width:
            parts.append(F.scaled_dot_product_attention(q, k, v, is_causal=True, scale=scaling))
        else:
            parts.append(_banded(q, k, v, sliding_window, scaling))
    mask = layout.mask(sliding_window)
    parts.append(
        F.scaled_dot_product_attention(query[:, :, width:], key, value, mask, scale=scaling)
    )
    return torch.cat(parts, dim=2).transpose(1, 2).contiguous(), None


def _banded(
    query: Tensor, key: Tensor, value: Tensor, window: int, scaling: float | None
) -> Tensor:
    """Causal attention of each token to the last `window` tokens, in blocks of that length.

    A block sees itself and the one before, so the cost is linear in the length.
    """
    b, heads, length, d = query.shape
    blocks = -(-length // window)
    spare = blocks * window - length

    def cut(x: Tensor) -> Tensor:  # [b, heads, blocks, window, d]
        return F.pad(x, (0, 0, 0, spare)).view(b, heads, blocks, window, d)

    def with_previous(x: Tensor) -> Tensor:
        x = cut(x)
        return torch.cat([F.pad(x[:, :, :-1], (0, 0, 0, 0, 1, 0)), x], dim=3)

    def flat(x: Tensor) -> Tensor:
        return x.transpose(1, 2).reshape(b * blocks, heads, -1, d)

    place = torch.arange(window, device=query.device)
    ago = place[:, None] + window - torch.arange(2 * window, device=query.device)
    band = (ago >= 0) & (ago < window)
    first = band & (torch.arange(2 * window, device=query.device) >= window)
    mask = torch.stack([first] + [band] * (blocks - 1)).repeat(b, 1, 1)[:, None]
    out = F.scaled_dot_product_attention(
        flat(cut(query)), flat(with_previous(key)), flat(with_previous(value)), mask, scale=scaling
    )
    return out.view(b, blocks, heads, window, d).transpose(1, 2).flatten(2, 3)[:, :, :length]


AttentionInterface.register(ATTENTION_NAME, _attention)
