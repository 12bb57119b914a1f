"""Turn random numbers into tokens: one stream of numbers an answer, one number a token.

A token is drawn by inverting the cumulative distribution, so an answer depends on its key alone,
not on what else is in the batch, as it would with one generator for all.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchkit import seeds

_AHEAD = 64  # random numbers drawn at once for each answer


@dataclass
class UniformStreams:
    """One stream of uniform random numbers an answer; prompt after prompt, n answers each."""

    streams: list[np.random.Generator]
    numbers: NDArray[np.float64]
    n: int

    @classmethod
    def for_prompts(cls, keys: Sequence[str], n: int, seed: int) -> "UniformStreams":
        """Return streams for n answers to each of the prompts named by `keys`."""
        streams = [seeds.generator("sample", seed, key, draw) for key in keys for draw in range(n)]
        return cls(streams, np.empty((len(streams), 0)), n)

    def at_step(self, step: int) -> NDArray[np.float64]:
        """Return [answers] the number for token `step` of each answer."""
        while self.numbers.shape[1] <= step:
            more = [stream.random(_AHEAD) for stream in self.streams]
            self.numbers = np.concatenate([self.numbers, more], axis=1)
        return self.numbers[:, step]


def sample_tokens(
    logits: Tensor, uniform: Tensor, temperature: float, top_p: float = 1.0, top_k: int = 0
) -> Tensor:
    """Return [rows] token ids; the most likely ones at temperature 0.

    logits: [rows, vocabulary]. uniform: [rows] in [0, 1). top_k: only so many tokens, 0 for all;
    top_p: then only the likeliest whose probability reaches it together (nucleus sampling,
    Holtzman et al. 2020).
    """
    if temperature == 0:
        return logits.argmax(dim=-1)
    probability = (logits.double() / temperature).softmax(dim=-1)
    if not top_k and top_p == 1:
        return _invert_cdf(probability, uniform)
    ordered, tokens = probability.sort(dim=-1, descending=True, stable=True)
    if top_k:
        ordered[:, top_k:] = 0
        ordered = ordered / ordered.sum(dim=-1, keepdim=True)
    before = ordered.cumsum(dim=-1) - ordered
    ordered = ordered.masked_fill(before >= top_p, 0)  # the token that reaches top_p stays
    return tokens.gather(-1, _invert_cdf(ordered, uniform)[:, None])[:, 0]


def _invert_cdf(weight: Tensor, uniform: Tensor) -> Tensor:
    cumulative = weight.cumsum(dim=-1)
    # Times the total, because rounding may leave it below 1; and never beyond the last possible.
    place = torch.searchsorted(cumulative, (uniform * cumulative[:, -1])[:, None], right=True)[:, 0]
    last = weight.shape[-1] - 1 - (weight > 0).flip(-1).int().argmax(dim=-1)
    return torch.minimum(place, last)
