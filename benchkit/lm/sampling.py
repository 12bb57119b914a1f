"""Draw answers from a model in this process: the prompt is computed once for all its answers.

Each answer has its own stream of random numbers, one number a token, turned into a token by
inverting the cumulative distribution. So an answer depends on its key alone, not on what else
is in the batch, as it would with one generator for all.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers import DynamicCache

from benchkit import seeds
from benchkit.lm.architecture import is_recurrent, unwrap_peft

_AHEAD = 64  # random numbers drawn at once for each answer
_SHRINK = 0.6  # share of the answers still going on below which the others leave the batch


class TokenSample(NamedTuple):
    """Token ids of an answer, without the token that ended it. ended: False if it was cut off."""

    tokens: list[int]
    ended: bool


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


@torch.inference_mode()
def sample_completions(
    model: Any,
    prompts: Sequence[Sequence[int]],
    uniforms: UniformStreams,
    *,
    temperature: float,
    max_tokens: int,
    top_p: float = 1.0,
    top_k: int = 0,
    ends: Collection[int] = (),
    stopped: Callable[[list[int]], bool] | None = None,
    pad: int = 0,
) -> list[list[TokenSample]]:
    """Return `uniforms.n` answers to each prompt (token ids), in draw order.

    ends: tokens that end an answer. stopped: whether an answer is to end after its last token,
    which is then kept. A recurrent model reads the whole text again for each token.
    """
    if is_recurrent(model):
        return _sample_uncached(
            model, prompts, uniforms, temperature, max_tokens, top_p, top_k, ends, stopped
        )
    device = next(model.parameters()).device
    ids, mask = _left_padded(prompts, pad, device)
    cache = DynamicCache(config=unwrap_peft(model).config)
    position = (mask.cumsum(dim=-1) - 1).clamp(min=0)
    out = model(
        input_ids=ids, attention_mask=mask, position_ids=position, past_key_values=cache,
        use_cache=True, logits_to_keep=1,
    )  # fmt: skip
    n = uniforms.n
    if n > 1:
        cache.batch_repeat_interleave(n)
    logits = out.logits[:, -1].float().repeat_interleave(n, dim=0)
    mask = mask.repeat_interleave(n, dim=0)
    position = position[:, -1:].repeat_interleave(n, dim=0)

    answers: list[list[int]] = [[] for _ in range(len(prompts) * n)]
    ended = [False] * len(answers)
    rows = list(range(len(answers)))  # the answers that are still in the batch
    for step in range(max_tokens):
        uniform = torch.from_numpy(uniforms.at_step(step)[rows]).to(device)
        token = sample_tokens(logits, uniform, temperature, top_p, top_k)
        for row, value in zip(rows, token.tolist(), strict=True):
            if not ended[row]:
                ended[row] = _extend(answers[row], value, ends, stopped)
        going = [place for place, row in enumerate(rows) if not ended[row]]
        if not going or step == max_tokens - 1:
            break
        if len(going) < _SHRINK * len(rows):
            remaining = torch.tensor(going, device=device)
            cache.batch_select_indices(remaining)
            mask, position, token = mask[remaining], position[remaining], token[remaining]
            rows = [rows[place] for place in going]
        mask = torch.cat([mask, mask.new_ones(len(rows), 1)], dim=1)
        position = position + 1
        out = model(
            input_ids=token[:, None], attention_mask=mask, position_ids=position,
            past_key_values=cache, use_cache=True,
        )  # fmt: skip
        logits = out.logits[:, -1].float()
    drawn = [TokenSample(tokens, done) for tokens, done in zip(answers, ended, strict=True)]
    return [drawn[start : start + n] for start in range(0, len(drawn), n)]


def _sample_uncached(
    model: Any,
    prompts: Sequence[Sequence[int]],
    uniforms: UniformStreams,
    temperature: float,
    max_tokens: int,
    top_p: float,
    top_k: int,
    ends: Collection[int],
    stopped: Callable[[list[int]], bool] | None,
) -> list[list[TokenSample]]:
    """Return what `sample_completions` does, one prompt at a time: no row is padded."""
    device = next(model.parameters()).device
    n, samples = uniforms.n, []
    for number, prompt in enumerate(prompts):
        ids = torch.tensor([prompt], device=device).repeat(n, 1)
        answers: list[list[int]] = [[] for _ in range(n)]
        ended = [False] * n
        for step in range(max_tokens):
            logits = model(input_ids=ids, use_cache=False).logits[:, -1].float()
            uniform = torch.from_numpy(uniforms.at_step(step)[number * n : (number + 1) * n])
            token = sample_tokens(logits, uniform.to(device), temperature, top_p, top_k)
            for row, value in enumerate(token.tolist()):
                if not ended[row]:
                    ended[row] = _extend(answers[row], value, ends, stopped)
            if all(ended):
                break
            ids = torch.cat([ids, token[:, None]], dim=1)
        samples.append([TokenSample(a, done) for a, done in zip(answers, ended, strict=True)])
    return samples


def _extend(
    answer: list[int],
    token: int,
    ends: Collection[int],
    stopped: Callable[[list[int]], bool] | None,
) -> bool:
    """Add a token to an answer unless it ends it; return whether the answer has ended."""
    if token in ends:
        return True
    answer.append(token)
    return stopped is not None and stopped(answer)


def _left_padded(
    prompts: Sequence[Sequence[int]], pad: int, device: torch.device
) -> tuple[Tensor, Tensor]:
    """[b, width] token ids and attention mask."""
    width = max(map(len, prompts))
    ids = torch.full((len(prompts), width), pad, dtype=torch.long)
    mask = torch.zeros(len(prompts), width, dtype=torch.long)
    for row, prompt in enumerate(prompts):
        ids[row, width - len(prompt) :] = torch.tensor(prompt, dtype=torch.long)
        mask[row, width - len(prompt) :] = 1
    return ids.to(device), mask.to(device)
