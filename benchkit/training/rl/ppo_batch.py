"""Answers with a reward at each token, packed behind their prompts."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from benchkit.lm import shared_prefix as sp
from benchkit.training.rl.rollouts import RewardedAnswer, allowed_tokens, choice_mask


@dataclass(frozen=True)
class AnswerBatch:
    """b prompts with the answers to each, n in all, packed into rows of t response tokens."""

    packed: sp.PackedBatch
    allowed: Tensor
    """[b, t, m] the tokens that each was chosen from, padded with -1; only -1 for all."""
    rewards: Tensor
    """[b, t] reward of each token."""
    steps: Tensor
    """[n, s] places, in the flattened table of tokens, of the tokens that each answer chose itself,
    padded with -1."""
    weight: Tensor
    """[b, t] 1 / s for each of an answer's s own tokens, so that all answers weigh the same."""
    total: Tensor
    """[n] sum of each answer's rewards."""

    def by_answer(self, values: Tensor, width: int) -> Tensor:
        """Return the [n, width] values of answers' own tokens in a [b, t] table; padded with 0."""
        chosen = values.flatten()[self.steps.clamp(min=0)].masked_fill(self.steps < 0, 0.0)
        return torch.nn.functional.pad(chosen, (0, width - chosen.shape[1]))

    def by_token(self, values: Tensor) -> Tensor:
        """Return the [b, t] table of which `by_answer` gave [n, width] values; 0 elsewhere."""
        table = torch.zeros(self.weight.numel(), dtype=values.dtype, device=values.device)
        real = self.steps >= 0
        table[self.steps[real]] = values[:, : self.steps.shape[1]][real]
        return table.view_as(self.weight)


def pack_answers(
    prompts: Sequence[Sequence[int]],
    answers: Sequence[Sequence[RewardedAnswer]],
    device: str | torch.device = "cpu",
) -> AnswerBatch:
    """Pack the answers to each prompt; every answer has a token.

    Args:
        prompts: [b] token ids.
        answers: [b] the answers to each.
        device: Where the tensors go.
    """
    groups = [[answer.rollout for answer in row] for row in answers]
    packed = sp.pack_batch(prompts, [[r.tokens for r in group] for group in groups], device=device)
    width = packed.target.shape[1]
    counted = choice_mask(groups, width)
    rewards = torch.zeros(len(prompts), width)
    weight = torch.zeros(len(prompts), width)
    steps: list[list[int]] = []
    for row, row_answers in enumerate(answers):
        start = 0
        for answer in row_answers:
            end = start + len(answer.rollout.tokens)
            places = [place for place in range(start, end) if counted[row, place]]
            rewards[row, start:end] = torch.tensor(answer.rewards)
            weight[row, places] = 1 / max(1, len(places))
            steps.append([row * width + place for place in places])
            start = end
    longest = max(1, max(map(len, steps)))
    table = torch.tensor([row + [-1] * (longest - len(row)) for row in steps])
    total = torch.tensor([sum(a.rewards) for row in answers for a in row])
    return AnswerBatch(
        packed,
        torch.from_numpy(allowed_tokens(groups, width)).to(device),
        rewards.to(device),
        table.to(device),
        weight.to(device),
        total,
    )
