"""Rewards of thoughts and ids that a model writes, and the objective that follows them (stage 3).

STREAM-Rec's GRPO: form, prefix of the id, state, likelihood that the thought adds, and rank.
"""

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from baselines.hybrid.item_ids.code_tokens import CodeTokens
from baselines.hybrid.item_ids.training_rows import TrainingRow
from baselines.hybrid.stream.settings import GroupSettings
from baselines.hybrid.stream.slow_thinking import SlowThinking
from baselines.hybrid.stream.thought_search import sample_answers
from benchkit.lm.encoder_decoder.teacher_forcing import (
    Encoded,
    decode_logits,
    encode,
    score_options,
    token_logprobs,
)
from benchkit.training.rl import policy_gradient as pg
from benchkit.types import RunContext

TensorBatch = Mapping[str, Tensor]


def prefix_share(ids: Tensor, answer: Tensor) -> Tensor:
    """Return [b] the share of an id's levels that are right before the first wrong one.

    >>> prefix_share(torch.tensor([[1, 2, 9]]), torch.tensor([[1, 2, 3]])).round(decimals=4)
    tensor([0.6667])
    """
    return (ids == answer).long().cumprod(dim=1).float().mean(dim=1)


def is_thought_and_id(answers: Tensor, tokens: CodeTokens, steps: int) -> Tensor:
    """Return [b] whether answers are `steps` tokens of thoughts and then an item's id."""
    thought = answers[:, :steps] - tokens.first_thought
    is_thought = ((thought >= 0) & (thought < tokens.thoughts)).all(dim=1)
    ids = {tuple(row) for row in tokens.table.tolist()}
    is_id = [tuple(row) in ids for row in answers[:, steps:].tolist()]
    return is_thought & torch.tensor(is_id, device=answers.device)


@dataclass
class ThinkingRewards:
    """Sum of five rewards, each at most 1."""

    tokens: CodeTokens
    thinking: SlowThinking

    def __call__(
        self, model: Any, encoded: Encoded, answers: Tensor, batch: TensorBatch, group: int
    ) -> Tensor:
        """Return [b * group] rewards.

        Args:
            model: The policy, in evaluation mode.
            encoded: States of b inputs.
            answers: [b * group, l + levels] what was written, input after input.
            batch: `target` [b] and `answer` [b, levels].
            group: Answers of an input.
        """
        steps = self.thinking.steps
        owner = torch.arange(len(encoded), device=answers.device).repeat_interleave(group)
        formed = is_thought_and_id(answers, self.tokens, steps)
        prefix = prefix_share(answers[:, steps:], batch["answer"][owner])
        gain, rank = self._likelihoods(model, encoded, answers[:, :steps], batch, owner)
        codes = (answers[:, :steps] - self.tokens.first_thought).clamp(0, self.tokens.thoughts - 1)
        user = self.thinking.user(encoded.states, encoded.mask)[owner]
        target = self.thinking.targets(batch["target"])[owner]
        state = F.cosine_similarity(self.thinking.state(user, codes), target, dim=1)
        return formed.float() * (1 + state) + prefix + gain.clamp(-1, 1) + 1 / torch.log2(1 + rank)

    def _likelihoods(
        self, model: Any, encoded: Encoded, thoughts: Tensor, batch: TensorBatch, owner: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return what a thought adds to the log-probability of the right id, and its rank after
        the thought among the right ids of the batch, each [b * group]."""
        options = batch["answer"].tolist()
        rows = owner.tolist()
        begins = thoughts.tolist()
        after = np.stack(score_options(model, encoded.rows(owner), [options] * len(rows), begins))
        at_once = [score[0] for score in score_options(model, encoded, [[o] for o in options])]
        right = after[np.arange(len(rows)), rows]
        better = [
            len({tuple(options[other]) for other in np.flatnonzero(values > value)})
            for values, value in zip(after, right, strict=True)
        ]
        gain = torch.from_numpy(right - np.array(at_once)[rows])
        rank = torch.tensor(better) + 1
        return gain.float().to(owner.device), rank.to(owner.device)


class ThinkingGroupObjective:
    """GRPO on thoughts and ids: clipped surrogate, and divergence from the model of stage 2.

    Answers are drawn when their loss is computed, without dropout, and used once.
    """

    module, module_lr = None, 0.0
    step: int = 0

    def __init__(
        self,
        tokens: CodeTokens,
        items: NDArray[np.int32],
        length: int,
        rewards: ThinkingRewards,
        reference: Any,
        settings: GroupSettings,
        run: RunContext,
    ) -> None:
        self.tokens, self.items, self.length = tokens, items, length
        self.rewards, self.reference, self.settings, self.run = rewards, reference, settings, run

    def context(self, model: Any) -> AbstractContextManager[None]:
        return nullcontext()

    def size(self, example: TrainingRow) -> int:
        return example.row - example.start

    def collate(self, examples: list[TrainingRow]) -> dict[str, Tensor]:
        return self.tokens.collate_examples(examples, self.items, self.length)

    def normalizer(self, batch: TensorBatch) -> float:
        return float(len(batch["target"]) * self.settings.group)

    def loss(self, model: Any, batch: TensorBatch) -> Tensor:
        settings, training = self.settings, model.training
        model.eval()
        try:
            answers, advantage = self._draw(model, batch)
            now = self._logprobs(model, batch, answers)
            with torch.no_grad():
                start = self._logprobs(self.reference, batch, answers)
        finally:
            model.train(training)
        each = pg.clipped_surrogate(now, now.detach(), advantage[:, None], settings.clip)
        each = each + settings.kl * pg.kl_k3(now, start)
        return each.mean(dim=1).sum()

    @torch.no_grad()
    def _draw(self, model: Any, batch: TensorBatch) -> tuple[Tensor, Tensor]:
        """Return answers [b * group, l + levels] and their advantages [b * group]."""
        settings = self.settings
        key = self.step, int(batch["target"][0])
        seed = int(self.run.generator("thoughts", *key).integers(2**31))
        encoded = encode(model, batch["input"], batch["mask"])
        length = self.rewards.thinking.steps + self.tokens.levels
        answers = sample_answers(
            model, self._repeat(encoded), length, settings.temperature,
            torch.Generator().manual_seed(seed),
        )  # fmt: skip
        rewards = self.rewards(model, encoded, answers, batch, settings.group)
        advantage = pg.group_advantages(rewards.view(-1, settings.group))
        return answers, advantage.flatten()

    def _logprobs(self, model: Any, batch: TensorBatch, answers: Tensor) -> Tensor:
        encoded = self._repeat(encode(model, batch["input"], batch["mask"]))
        logits = decode_logits(model, encoded, answers) / self.settings.temperature
        return token_logprobs(logits, answers)

    def _repeat(self, encoded: Encoded) -> Encoded:
        group = self.settings.group
        rows = torch.arange(len(encoded), device=encoded.states.device)
        return encoded.rows(rows.repeat_interleave(group))
