"""Train a model by PPO: rounds of answers with rewards at their tokens, each used several times.

Where a round is left early depends on what it does to the policy, so that steps cannot be planned:
this is a loop of its own rather than the trainer of the other losses. Seeds, the order of prompts,
optimizer, schedule and the selection of weights are the same. An interrupted training starts anew.

Reference:
    Schulman et al., Proximal Policy Optimization Algorithms, 2017.
"""

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import transformers
from torch import Tensor

from benchkit import process_state
from benchkit.errors import MethodError
from benchkit.lm import shared_prefix as sp
from benchkit.lm.packing.kernels import force_kernel
from benchkit.lm.timing import record_stage_cost
from benchkit.training.core.batch_sampler import StepPlan, epoch_order
from benchkit.training.core.config import TrainConfig
from benchkit.training.core.hf_arguments import training_arguments
from benchkit.training.core.training_context import autocast, training_context
from benchkit.training.core.training_job import use_gradient_checkpointing
from benchkit.training.core.weights import BestCheckpoint
from benchkit.training.rl import ppo
from benchkit.training.rl.actor_critic import ActorCritic
from benchkit.training.rl.ppo_batch import AnswerBatch, pack_answers
from benchkit.training.rl.ppo_settings import PPOSettings
from benchkit.training.rl.rollouts import RewardedAnswer, RolloutTask, require_one_process
from benchkit.training.rl.token_statistics import rollout_logprobs, rollout_logprobs_and_entropy
from benchkit.types import RunContext

DrawFunction = Callable[[Any, Sequence[RolloutTask], Sequence[str]], list[list[RewardedAnswer]]]
"""Draws answers of a model to tasks, with a key for the random numbers of each, and rewards
them."""


def train_ppo(
    model: Any,
    tasks: Sequence[RolloutTask],
    draw: DrawFunction,
    settings: PPOSettings,
    config: TrainConfig,
    run: RunContext,
    validate: Callable[[Any], float] | None = None,
    log: Path | None = None,
) -> Any:
    """Train a causal language model so that its answers to `tasks` earn higher rewards.

    Args:
        model: The start, and the reference; see `ActorCritic`.
        tasks: The prompts.
        draw: Draws and rewards answers.
        settings: The loss.
        config: How to train; a batch is a round of so many prompts.
        run: Seed, device, folders and progress.
        validate: Scores the model, higher is better; see `train_sft`.
        log: Gets one JSON object per round.

    Returns:
        The policy with its best weights, in evaluation mode; with `config.lora` a PeftModel.

    Raises:
        ConfigError: The settings want several processes.
        MethodError: The loss is not a number any more.
    """
    require_one_process(config)
    with training_context(run.device), record_stage_cost(run, "reinforce"):
        torch.manual_seed(int(run.generator(config.purpose, "adapter").integers(2**31)))
        trainer = _PPOTrainer(model, tasks, draw, settings, config, run, log)
        with use_gradient_checkpointing(trainer.models.policy, config.gradient_checkpointing):
            trainer.train(validate)
        return trainer.models.finish().eval()


@dataclass
class _Round:
    """A micro-batch of answers with what is known of it before the first step."""

    batch: AnswerBatch
    old: Tensor
    reference: Tensor
    values: Tensor
    advantages: Tensor | None = None
    returns: Tensor | None = None


class _PPOTrainer:
    def __init__(
        self,
        model: Any,
        tasks: Sequence[RolloutTask],
        draw: DrawFunction,
        settings: PPOSettings,
        config: TrainConfig,
        run: RunContext,
        log: Path | None,
    ) -> None:
        self.tasks, self.draw, self.settings = tasks, draw, settings
        self.config, self.run, self.log = config, run, log
        self.models = ActorCritic(model, config.lora)
        self.plan = StepPlan.from_config(config, len(tasks))
        arguments = training_arguments(model, config, run, self.plan, run.scratch / config.purpose)
        self.parameters = self.models.parameters()
        kind, options = transformers.Trainer.get_optimizer_cls_and_kwargs(arguments, model)
        self.optimizer = kind(self.parameters, weight_decay=config.weight_decay, **options)
        self.schedule = transformers.get_scheduler(
            arguments.lr_scheduler_type,
            self.optimizer,
            arguments.get_warmup_steps(self.plan.total_steps),
            self.plan.total_steps,
            scheduler_specific_kwargs=arguments.lr_scheduler_kwargs,
        )

    def train(self, validate: Callable[[Any], float] | None) -> None:
        """Train round by round, and leave the policy with its best weights."""
        plan, progress, best = self.plan, self.run.progress, BestCheckpoint()
        patience = self.config.patience
        progress.start(f"{self.config.purpose} rounds", plan.total_steps)
        for step in range(plan.total_steps):
            with force_kernel(self.config.prefix_attention):
                progress.advance(note=self.train_round(step))
            self.schedule.step()
            done = step + 1
            if validate and (done == plan.total_steps or done % plan.evaluation_interval == 0):
                value = self.validate(validate)
                best.update(value, self.models.policy)
                progress.advance(0, note=f"validation {value:.4f}")
                if patience is not None and best.stale >= patience:
                    break
        best.restore(self.models.policy)

    @torch.no_grad()
    def validate(self, validate: Callable[[Any], float]) -> float:
        """Score the policy without a trace in the generators."""
        with (
            process_state.preserve_random_states(self.run.device),
            self.models.as_policy() as model,
        ):
            return float(validate(model.eval()))

    def train_round(self, step: int) -> str:
        """Draw answers, learn from them, and return a note to report."""
        rounds = self.collect(step)
        self.estimate(rounds)
        losses: list[float] = []
        divergence = 0.0
        while len(losses) < self.settings.epochs and divergence <= self.settings.max_kl:
            loss, divergence = self.step(rounds)
            losses.append(loss)
        if not math.isfinite(losses[-1]):
            raise MethodError(
                f"training diverged: the loss is {losses[-1]} in round {step}",
                "lower learning_rate, or set max_grad_norm",
            )
        answers = sum(len(r.batch.total) for r in rounds)
        reward = sum(float(r.batch.total.sum()) for r in rounds) / answers
        if self.log is not None:
            line = {"round": step, "reward": reward, "loss": losses[0], "epochs": len(losses)}
            with self.log.open("a", encoding="utf-8") as file:
                file.write(json.dumps(line) + "\n")
        return f"loss {losses[0]:.3f}, reward {reward:.3f}"

    @torch.no_grad()
    def collect(self, step: int) -> list[_Round]:
        """Draw the answers of a round, and compute what all models say of them."""
        config, models = self.config, self.models
        epoch, number = divmod(step, self.plan.steps_per_epoch)
        rng = self.run.generator(config.purpose, "order", epoch)
        lengths = [len(task.prompt) for task in self.tasks]
        order = epoch_order(rng, lengths, config.batch_size, config.group_by_length)
        places = order[number * config.batch_size : (number + 1) * config.batch_size].tolist()
        tasks = [self.tasks[place] for place in places]
        keys = [f"{step}:{n}:{task.request.case_id}" for n, task in enumerate(tasks)]
        models.policy.eval()
        with self.precision:
            answers = self.draw(models.policy, tasks, keys)
        results, size = [], config.micro_batch_size
        for start in range(0, len(tasks), size):
            chosen = slice(start, start + size)
            prompts = [task.prompt for task in tasks[chosen]]
            batch = pack_answers(prompts, answers[chosen], self.run.device)
            with self.precision, models.as_policy() as model, sp.use_shared_prefix(model):
                old = rollout_logprobs(model, batch.packed, 1.0, batch.allowed)
            with self.precision, models.as_reference() as model, sp.use_shared_prefix(model):
                reference = rollout_logprobs(model, batch.packed, 1.0, batch.allowed)
            with self.precision, models.as_critic() as model, sp.use_shared_prefix(model):
                values = models.values(model.eval(), batch.packed)
            results.append(_Round(batch, old, reference, values))
        return results

    def estimate(self, rounds: Sequence[_Round]) -> None:
        """Set advantages and returns; they are whitened over the whole round."""
        settings = self.settings
        width = max(r.batch.steps.shape[1] for r in rounds)
        rewards, values, mask = [], [], []
        for r in rounds:
            penalized = ppo.penalize_divergence(r.batch.rewards, r.old, r.reference, settings.kl)
            rewards.append(r.batch.by_answer(penalized, width))
            values.append(r.batch.by_answer(r.values, width))
            mask.append(r.batch.by_answer(torch.ones_like(r.values), width) > 0)
        estimates = ppo.estimate_advantages(
            torch.cat(rewards), torch.cat(values), torch.cat(mask), settings
        )
        sizes = [len(r.batch.steps) for r in rounds]
        for r, advantages, returns in zip(
            rounds, *(torch.split(table, sizes) for table in estimates), strict=True
        ):
            r.advantages = r.batch.by_token(advantages)
            r.returns = r.batch.by_token(returns)

    def step(self, rounds: Sequence[_Round]) -> tuple[float, float]:
        """Do one optimizer step; return loss and divergence before it.

        No step is done from where the policy has gone too far.
        """
        settings, models = self.settings, self.models
        answers = sum(len(r.batch.steps) for r in rounds)
        self.optimizer.zero_grad(set_to_none=True)
        total = divergence = 0.0
        for r in rounds:
            assert r.advantages is not None and r.returns is not None  # noqa: S101
            weight = r.batch.weight / answers
            with models.as_policy() as model, sp.use_shared_prefix(model.train()):
                with self.precision:
                    now, entropy = rollout_logprobs_and_entropy(
                        model, r.batch.packed, 1.0, r.batch.allowed
                    )
                surrogate, spread, moved = ppo.policy_loss(
                    now, r.old, entropy, r.advantages, weight, settings
                )
                loss = surrogate - settings.entropy_weight * spread
                loss.backward()  # type: ignore[no-untyped-call]
            with models.as_critic() as model, sp.use_shared_prefix(model.train()):
                with self.precision:
                    values = models.values(model, r.batch.packed)
                errors = ppo.clipped_value_loss(values, r.values, r.returns, settings.clip)
                value_loss = settings.value_weight * (errors * weight).sum()
                value_loss.backward()  # type: ignore[no-untyped-call]
            total += float(loss.detach()) + float(value_loss.detach())
            divergence += moved
        if divergence <= settings.max_kl:
            if self.config.max_grad_norm:
                torch.nn.utils.clip_grad_norm_(self.parameters, self.config.max_grad_norm)
            self.optimizer.step()
        return total, divergence

    @property
    def precision(self) -> Any:
        """The precision of forward passes."""
        return autocast(self.config.precision, torch.device(self.run.device).type)
