"""Attention of prompts that responses follow, by scaled dot-product attention.

Two calls do it: the prompt attends causally to itself, the responses through a mask with one row
a response token. No mask over prompt x prompt is built; sliding windows are cut into bands. Heads
that share keys and values are not given copies of them.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor


class Heads(NamedTuple):
    """What attention works on. query: [b, heads, n, d]; key, value: possibly fewer heads."""

    query: Tensor
    key: Tensor
    value: Tensor


def attend(heads: Heads, mask: Tensor | None, scaling: float | None) -> Tensor:
    """Attend through a mask, or causally without one."""
    query, key, value = heads
    groups = query.shape[1] // key.shape[1]
    if groups > 1 and mask is not None and query.is_cuda:
        # With a mask, PyTorch's grouped heads on a GPU would store all scores.
        key, value = (x.repeat_interleave(groups, dim=1) for x in (key, value))
        groups = 1
    return F.scaled_dot_product_attention(
        query, key, value, mask, is_causal=mask is None, scale=scaling, enable_gqa=groups > 1
    )


def attend_in_prompt(heads: Heads, window: int | None, scaling: float | None) -> Tensor:
    """Let each token of prompts see those before it, at most the last `window` ones."""
    if window is None or window >= heads.query.shape[2]:
        return attend(heads, None, scaling)
    return _attend_in_bands(heads, window, scaling)


def _attend_in_bands(heads: Heads, window: int, scaling: float | None) -> Tensor:
    """Causal attention of each token to the last `window` tokens, in blocks of that length.

    A block sees itself and the one before, so the cost is linear in the length.
    """
    b, _, length, d = heads.query.shape
    blocks = -(-length // window)
    spare = blocks * window - length

    def cut(x: Tensor) -> Tensor:  # [b, heads, blocks, window, d]
        return F.pad(x, (0, 0, 0, spare)).view(b, x.shape[1], blocks, window, d)

    def with_previous(x: Tensor) -> Tensor:
        x = cut(x)
        return torch.cat([F.pad(x[:, :, :-1], (0, 0, 0, 0, 1, 0)), x], dim=3)

    def flat(x: Tensor) -> Tensor:
        return x.transpose(1, 2).reshape(b * blocks, x.shape[1], -1, d)

    device = heads.query.device
    place = torch.arange(window, device=device)
    ago = place[:, None] + window - torch.arange(2 * window, device=device)
    band = (ago >= 0) & (ago < window)
    first = band & (torch.arange(2 * window, device=device) >= window)
    mask = torch.stack([first] + [band] * (blocks - 1)).repeat(b, 1, 1)[:, None]
    parts = Heads(
        flat(cut(heads.query)), flat(with_previous(heads.key)), flat(with_previous(heads.value))
    )
    out = attend(parts, mask, scaling)
    return out.view(b, blocks, -1, window, d).transpose(1, 2).flatten(2, 3)[:, :, :length]
