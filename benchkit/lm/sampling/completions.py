"""Draw answers from a model in this process: the prompt is computed once for all its answers.

Its keys and values are also held once (`shared_prompt`), where the model's attention allows it.
"""

from collections.abc import Callable, Collection, Sequence
from contextlib import nullcontext
from typing import Any, NamedTuple

import torch
from torch import Tensor

from benchkit.lm.architecture import is_recurrent, unwrap_peft
from benchkit.lm.sampling.answer_cache import AnswerCache
from benchkit.lm.sampling.shared_prompt import (
    attend_to_prompts,
    can_hold_prompts_once,
    next_logits,
)
from benchkit.lm.sampling.token_draws import UniformStreams, sample_tokens

_SHRINK = 0.6  # share of the answers still going on below which the others leave the batch


class TokenSample(NamedTuple):
    """Token ids of an answer, without the token that ended it. ended: False if it was cut off."""

    tokens: list[int]
    ended: bool


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
    which is then remaining. A recurrent model reads the whole text again for each token.
    """
    if is_recurrent(model):
        return _sample_uncached(
            model, prompts, uniforms, temperature, max_tokens, top_p, top_k, ends, stopped
        )
    device = next(model.parameters()).device
    n = uniforms.n
    ids, mask = _left_padded(prompts, pad, device)
    shares = n > 1 and can_hold_prompts_once(model)
    cache = AnswerCache(unwrap_peft(model).config, shares)
    position = (mask.cumsum(dim=-1) - 1).clamp(min=0)
    out = model(
        input_ids=ids, attention_mask=mask, position_ids=position, past_key_values=cache,
        use_cache=True, logits_to_keep=1,
    )  # fmt: skip
    cache.begin_answers(n, mask)
    logits = out.logits[:, -1].float().repeat_interleave(n, dim=0)
    mask = mask.repeat_interleave(n, dim=0)
    position = position[:, -1:].repeat_interleave(n, dim=0)

    answers: list[list[int]] = [[] for _ in range(len(prompts) * n)]
    ended = [False] * len(answers)
    groups = [list(range(i * n, i * n + n)) for i in range(len(prompts))]  # answers in the batch
    with attend_to_prompts(model) if shares else nullcontext():
        for step in range(max_tokens):
            rows = [row for group in groups for row in group]
            uniform = torch.from_numpy(uniforms.at_step(step)[rows]).to(device)
            token = sample_tokens(logits, uniform, temperature, top_p, top_k)
            for row, value in zip(rows, token.tolist(), strict=True):
                if not ended[row]:
                    ended[row] = _extend(answers[row], value, ends, stopped)
            if all(ended) or step == max_tokens - 1:
                break
            going = _still_going(groups, ended)
            if sum(map(len, going.values())) < _SHRINK * len(rows):
                groups, places = list(going.values()), {row: at for at, row in enumerate(rows)}
                remaining = torch.tensor([places[row] for group in groups for row in group])
                remaining = remaining.to(device)
                cache.keep(torch.tensor(list(going), device=device), remaining)
                mask, position, token = mask[remaining], position[remaining], token[remaining]
            mask = torch.cat([mask, mask.new_ones(len(mask), 1)], dim=1)
            position = position + 1
            if shares:
                logits = next_logits(model, cache, token[:, None], position, mask)
                continue
            out = model(
                input_ids=token[:, None], attention_mask=mask, position_ids=position,
                past_key_values=cache, use_cache=True,
            )  # fmt: skip
            logits = out.logits[:, -1].float()
    drawn = [TokenSample(tokens, done) for tokens, done in zip(answers, ended, strict=True)]
    return [drawn[start : start + n] for start in range(0, len(drawn), n)]


def _still_going(groups: Sequence[list[int]], ended: Sequence[bool]) -> dict[int, list[int]]:
    """Return the answers to go on with, by the place of their prompt in `groups`.

    Prompts whose answers have all ended are left out. The others have equally many answers, as a
    batch needs: where some have ended, those that fill up.
    """
    going = {}
    for place, group in enumerate(groups):
        if not all(ended[row] for row in group):
            going[place] = sorted(group, key=lambda row: ended[row])
    width = max(sum(not ended[row] for row in group) for group in going.values())
    return {place: group[:width] for place, group in going.items()}


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
