"""Thoughts that an encoder-decoder writes itself: the likeliest, or sampled ones."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from baselines.hybrid.item_ids.code_tokens import CodeTokens
from benchkit.lm.encoder_decoder.teacher_forcing import Encoded, decode_logits


@torch.no_grad()
def search_thoughts(
    model: Any, encoded: Encoded, tokens: CodeTokens, steps: int, beam: int
) -> tuple[Tensor, Tensor]:
    """Return the likeliest thoughts that a beam search finds, [b, p, l] token ids, the best first.

    Only tokens of thoughts may be written; their probabilities are those among all tokens.

    Args:
        model: An encoder-decoder, in evaluation mode.
        encoded: States of b inputs.
        tokens: Which tokens are thoughts'.
        steps: Length l of a thought.
        beam: Thoughts that are kept, p; fewer where there are not as many.

    Returns:
        The thoughts, and their log-probabilities [b, p].
    """
    b, device = len(encoded), encoded.states.device
    thoughts = torch.empty(b, 1, 0, dtype=torch.long, device=device)
    total = torch.zeros(b, 1, device=device)
    thought_tokens = slice(tokens.first_thought, tokens.first_thought + tokens.thoughts)
    for step in range(steps):
        width = thoughts.shape[1]
        rows = torch.arange(b, device=device).repeat_interleave(width)
        answers = torch.cat([thoughts.flatten(0, 1), rows.new_zeros(len(rows), 1)], dim=1)
        logits = decode_logits(model, encoded.rows(rows), answers)[:, -1]
        logprobs = logits.log_softmax(dim=-1)[:, thought_tokens].view(b, width, -1)
        values = (total[..., None] + logprobs).flatten(1)
        total, place = values.topk(min(beam, values.shape[1]), dim=1)
        before = thoughts.gather(1, (place // tokens.thoughts)[..., None].expand(-1, -1, step))
        code = place % tokens.thoughts + tokens.first_thought
        thoughts = torch.cat([before, code[..., None]], dim=2)
    return thoughts, total


@torch.no_grad()
def sample_answers(
    model: Any, encoded: Encoded, length: int, temperature: float, generator: torch.Generator
) -> Tensor:
    """Return answers [b, length] of any tokens, drawn one by one at a temperature.

    Args:
        model: An encoder-decoder, in evaluation mode.
        encoded: States of b inputs.
        length: Tokens of an answer.
        temperature: Of the softmax.
        generator: On the CPU, so that answers do not depend on the device's.
    """
    device = encoded.states.device
    answers = torch.empty(len(encoded), 0, dtype=torch.long, device=device)
    for _ in range(length):
        blank = answers.new_zeros(len(answers), 1)
        logits = decode_logits(model, encoded, torch.cat([answers, blank], dim=1))[:, -1]
        chance = (logits / temperature).softmax(dim=-1).cpu()
        drawn = torch.multinomial(chance, 1, generator=generator).to(device)
        answers = torch.cat([answers, drawn], dim=1)
    return answers


def to_rows(table: Tensor) -> Sequence[Sequence[int]]:
    """Return the rows of a table of token ids as lists."""
    rows: Sequence[Sequence[int]] = table.tolist()
    return rows
