"""GRPO as an objective of the trainer: groups of answers, their rewards, and the loss.

Reference:
    Shao et al., DeepSeekMath, 2024, section 4.1.
"""

import json
from collections.abc import Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchkit.lm import shared_prefix as sp
from benchkit.training.core.objective import TensorBatch
from benchkit.training.rl import policy_gradient as pg
from benchkit.training.rl.rollouts import (
    RewardFunction,
    Rollout,
    RolloutSampler,
    RolloutTask,
    allowed_tokens,
    choice_mask,
)
from benchkit.training.rl.token_statistics import rollout_certainty, rollout_logprobs


@dataclass
class GRPOObjective:
    """The clipped surrogate of sampled answers, plus the divergence from the reference."""

    tasks: Sequence[RolloutTask]
    """All prompts. A batch of the loader holds their indices, a result of `roll_out` answers."""
    sampler: RolloutSampler
    reward: RewardFunction
    reference: Any = None
    """The model that training started from; None if it is the model without its adapter, or if no
    divergence is computed."""
    log: Path | None = None
    """Gets one JSON object per round and micro-batch; None for no log."""
    step: int = 0
    module = None
    module_lr = 0.0

    def __post_init__(self) -> None:
        self._index = {id(task): index for index, task in enumerate(self.tasks)}

    def context(self, model: Any) -> AbstractContextManager[None]:
        """Let the answers of the model's batches share their prompt."""
        return sp.use_shared_prefix(model)

    def size(self, example: RolloutTask) -> int:
        return len(example.prompt)

    def collate(self, examples: Sequence[RolloutTask]) -> TensorBatch:
        """Return the indices of tasks: answers are sampled only when their step begins."""
        return {"place": torch.tensor([self._index[id(task)] for task in examples])}

    def normalizer(self, batch: TensorBatch) -> float:
        return float(batch["amount"])

    def loss(self, model: Any, batch: TensorBatch) -> Tensor:
        settings = self.sampler.settings
        packed = sp.batch_from_tensors(batch, int(batch["group"]))
        now = rollout_logprobs(model, packed, settings.temperature, batch["allowed"])
        old = batch["old"] if "old" in batch else now.detach()
        each = pg.clipped_surrogate(now, old, batch["advantage"], settings.clip)
        if "reference" in batch:
            each = each + settings.kl * pg.kl_k3(now, batch["reference"])
        return (each * batch["weight"]).sum()

    @torch.no_grad()
    def roll_out(
        self, model: Any, batches: Sequence[Sequence[int]], step: int
    ) -> list[TensorBatch]:
        """Sample answers to the tasks of a step's micro-batches.

        The random numbers are named by step and position in the step, so that answers are the
        same however the step is split.

        Args:
            model: The policy.
            batches: Task indices of each micro-batch.
            step: Number of the step.

        Returns:
            The tensors of each micro-batch, with rewards turned into advantages.
        """
        training, results, first = model.training, [], 0
        model.eval()
        try:
            for indices in batches:
                tasks = [self.tasks[index] for index in indices]
                keys = [f"{step}:{first + n}:{t.request.case_id}" for n, t in enumerate(tasks)]
                first += len(tasks)
                groups = self.sampler.draw(model, tasks, keys)
                results.append(self._tensors(model, tasks, groups, step))
        finally:
            model.train(training)
        return results

    def _tensors(
        self, model: Any, tasks: Sequence[RolloutTask], groups: list[list[Rollout]], step: int
    ) -> TensorBatch:
        settings = self.sampler.settings
        batch, of_answer, mask = self._pack(model, tasks, groups)
        weight, amount = pg.token_weights(mask, settings.reduction, settings.max_tokens)
        batch |= self._token_statistics(model, batch)
        if settings.needs_certainty:
            groups = self._with_certainty(model, batch, mask, groups)
        rewards = torch.tensor(
            [[self.reward(t, r) for r in group] for t, group in zip(tasks, groups, strict=True)],
            device=mask.device,
        )
        advantage = pg.group_advantages(rewards, settings.eps)
        batch["weight"] = weight.sum(dim=1)
        batch["advantage"] = (advantage[..., None] * of_answer).sum(dim=1)
        batch["amount"] = torch.tensor(amount, dtype=torch.float64)
        self.log_round(step, rewards, [rollout for group in groups for rollout in group])
        return batch

    def _pack(
        self, model: Any, tasks: Sequence[RolloutTask], groups: Sequence[Sequence[Rollout]]
    ) -> tuple[dict[str, Tensor], Tensor, Tensor]:
        """Return the tensors of the answers, and [b, g, t] which tokens belong to which answer and
        which of those count."""
        device, group = next(model.parameters()).device, self.sampler.settings.group
        packed = sp.pack_batch(
            [t.prompt for t in tasks], [[r.tokens for r in answers] for answers in groups]
        )
        width = packed.target.shape[1]
        batch = {
            "input_ids": packed.input_ids,
            "position_ids": packed.position_ids,
            "target": packed.target,
            "block": packed.layout.block,
            "prompt": packed.layout.prompt,
            "group": torch.tensor(group),
            "allowed": torch.from_numpy(allowed_tokens(groups, width)),
        }
        batch = {name: value.to(device) for name, value in batch.items()}
        of_answer = batch["block"][:, None] == torch.arange(group, device=device)[:, None]
        counted = torch.from_numpy(choice_mask(groups, width)).to(device)
        return batch, of_answer, of_answer & counted[:, None]

    def set_certainty(
        self, model: Any, tasks: Sequence[RolloutTask], groups: Sequence[Sequence[Rollout]]
    ) -> list[list[Rollout]]:
        """Return the answers with the self-certainty of the model that has sampled them."""
        batch, _, mask = self._pack(model, tasks, groups)
        return self._with_certainty(model, batch, mask, groups)

    def _with_certainty(
        self,
        model: Any,
        batch: dict[str, Tensor],
        mask: Tensor,
        groups: Sequence[Sequence[Rollout]],
    ) -> list[list[Rollout]]:
        packed = sp.batch_from_tensors(batch, int(batch["group"]))
        with sp.use_shared_prefix(model):
            each = rollout_certainty(
                model, packed, self.sampler.settings.temperature, mask.any(dim=1)
            )
        certainty = pg.masked_mean(each[:, None].expand(mask.shape), mask)
        return [
            [replace(r, certainty=c) for r, c in zip(group, row, strict=True)]
            for group, row in zip(groups, certainty.tolist(), strict=True)
        ]

    def _token_statistics(self, model: Any, batch: TensorBatch) -> dict[str, Tensor]:
        """Compute what the policy and the reference give each token, as far as it is needed."""
        settings, statistics = self.sampler.settings, {}
        packed = sp.batch_from_tensors(batch, int(batch["group"]))
        temperature, allowed = settings.temperature, batch["allowed"]
        if settings.iterations > 1:
            with sp.use_shared_prefix(model):
                statistics["old"] = rollout_logprobs(model, packed, temperature, allowed)
        if settings.kl:
            with ExitStack() as stack:
                start = model if self.reference is None else self.reference
                if self.reference is None:
                    stack.enter_context(model.disable_adapter())
                stack.enter_context(sp.use_shared_prefix(start))
                statistics["reference"] = rollout_logprobs(start, packed, temperature, allowed)
        return statistics

    def log_round(self, step: int, rewards: Tensor, answers: Sequence[Rollout]) -> None:
        """Write a line to the log: rewards [b, g] of a round's answers, and what these are like."""
        if self.log is None:
            return
        equal = (rewards.amax(dim=1) == rewards.amin(dim=1)).float().mean()
        line = {
            "step": step,
            "reward": round(float(rewards.mean()), 6),
            "equal": round(float(equal), 6),
            "valid": round(float(np.mean([r.status == "ok" for r in answers])), 6),
            "truncated": round(float(np.mean([r.status == "truncated" for r in answers])), 6),
            "tokens": round(float(np.mean([len(r.tokens) for r in answers])), 3),
        }
        with self.log.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
