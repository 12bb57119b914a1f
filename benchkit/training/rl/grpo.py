"""Group relative policy optimisation (GRPO): train a model on rewards of its own answers.

A step samples a group of answers to each of its prompts from the current model or, for
`iterations` steps, uses the last ones. Checkpoints are written only where new answers are sampled,
and random numbers are named by their step, so that a resumed training samples what it would have.

Reference:
    Shao et al., DeepSeekMath, 2024.
"""

import copy
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from benchkit.fingerprint import hash_json
from benchkit.lm.timing import record_stage_cost
from benchkit.training.core import weights
from benchkit.training.core.batch_sampler import StepPlan, epoch_order
from benchkit.training.core.config import TrainConfig
from benchkit.training.core.lora import add_adapter, has_adapter
from benchkit.training.core.objective import TensorBatch
from benchkit.training.core.trainer import Trainer
from benchkit.training.core.training_context import autocast, training_context
from benchkit.training.core.training_job import TrainingJob
from benchkit.training.rl.objective import GRPOObjective
from benchkit.training.rl.rollouts import (
    RewardFunction,
    RolloutSampler,
    RolloutTask,
    require_one_process,
)
from benchkit.training.rl.trl_settings import TRLSettings
from benchkit.training.train import save_adapter, train_job
from benchkit.types import RunContext


class GRPOTrainer(Trainer):
    """The trainer, with answers sampled at the beginning of a step."""

    objective: GRPOObjective
    _rollouts: tuple[int, list[TensorBatch]] | None = None  # with the step they were sampled at

    def __init__(
        self,
        model: Any,
        examples: Sequence[Any],
        objective: GRPOObjective,
        config: TrainConfig,
        run: RunContext,
        plan: StepPlan,
        folder: Path,
    ) -> None:
        plan = align_checkpoints(plan, objective.sampler.settings.iterations)
        super().__init__(model, examples, objective, config, run, plan, folder)

    def order(self, epoch: int) -> NDArray[np.int64]:
        """Repeat each batch of prompts as often as its answers are used."""
        rng = self.run.generator(self.settings.purpose, "order", epoch)
        batches = prompt_batches(rng, self.lengths[: len(self.objective.tasks)], self.settings)
        return batches.repeat(self.objective.sampler.settings.iterations, axis=0).ravel()

    def get_batch_samples(
        self, epoch_iterator: Any, num_batches: int, *_: Any
    ) -> tuple[list[Any], Any]:
        batches = [batch["place"].tolist() for (batch,) in islice(epoch_iterator, num_batches)]
        step = self.state.global_step
        first_step = step - step % self.objective.sampler.settings.iterations
        if batches and (self._rollouts is None or self._rollouts[0] != first_step):
            with autocast(self.settings.precision, self.args.device.type):
                rollouts = self.objective.roll_out(self.model, batches, first_step)
            self._rollouts = first_step, rollouts
        tensors = [] if self._rollouts is None or not batches else self._rollouts[1]
        return [[t] for t in tensors], sum(self.objective.normalizer(t) for t in tensors)


def prompt_batches(
    rng: np.random.Generator, lengths: Sequence[int], config: TrainConfig
) -> NDArray[np.int64]:
    """Shuffle the prompts of an epoch into batches, [n, batch_size] numbers of prompts.

    The last batch is filled up from the first.
    """
    order = epoch_order(rng, lengths, config.batch_size, config.group_by_length)
    return np.resize(order, (-(-len(lengths) // config.batch_size), config.batch_size))


def align_checkpoints(plan: StepPlan, iterations: int) -> StepPlan:
    """Return the plan with checkpoints only where new answers are sampled."""
    rounds = -(-plan.checkpoint_interval // iterations)
    return replace(plan, checkpoint_interval=rounds * iterations)


def train_grpo(
    model: Any,
    tasks: Sequence[RolloutTask],
    sampler: RolloutSampler,
    reward: RewardFunction,
    config: TrainConfig,
    run: RunContext,
    validate: Callable[[Any], float] | None = None,
    log: Path | None = None,
    identity: object = None,
    trl: TRLSettings | None = None,
) -> Any:
    """Train a causal language model so that its answers to `tasks` earn higher rewards.

    Args:
        model: The start, and the reference: with `config.lora` the model without its new adapter,
            otherwise a frozen copy.
        tasks: The prompts.
        sampler: Samples answers.
        reward: Returns the reward of an answer.
        config: How to train.
        run: Seed, device, folders and progress.
        validate: Scores the model, higher is better; see `train_sft`.
        log: Gets one JSON object per round and micro-batch.
        identity: What the rewards depend on. A training with another identity starts anew.
        trl: Let TRL's GRPOTrainer sample the answers and compute the loss, with these settings.

    Returns:
        The trained model, as `train_sft` returns it; an interrupted training is resumed.
    """
    if trl is None:
        require_one_process(config)
    settings = sampler.settings
    key = hash_json(
        {
            "model": weights.weights_hash(model),
            "tasks": [repr(task) for task in tasks],
            "policy": asdict(settings),
            "config": config.model_dump(mode="json"),
            "run": [run.seed, repr(identity)],
            **({} if trl is None else {"trl": trl.model_dump(mode="json")}),
        }
    )
    folder = run.scratch / config.purpose / key
    packages = () if trl is None else ("datasets", "trl")
    with training_context(run.device, *packages), record_stage_cost(run, "reinforce"):
        torch.manual_seed(int(run.generator(config.purpose, "adapter").integers(2**31)))
        reference = None
        if settings.kl and config.lora is None:
            reference = copy.deepcopy(model).requires_grad_(False).eval()
        if config.lora is not None:
            model = add_adapter(model, config.lora)
        result = folder / weights.WEIGHTS_FILE
        if weights.is_intact(result, run.progress):
            weights.restore_weights(model, weights.read_weights(result))
            return model.to(run.device).eval()
        trainer: type[Any] = GRPOTrainer
        objective = GRPOObjective(tasks, sampler, reward, reference, log)
        if trl is not None:
            from benchkit.training.rl.trl_objective import TRLObjective
            from benchkit.training.rl.trl_trainer import TRLTrainer

            trainer = TRLTrainer
            objective = TRLObjective(tasks, sampler, reward, reference, log, trl=trl)
        slots = _epoch_slots(tasks, config.batch_size, settings.iterations)
        job = TrainingJob(model, slots, objective, config, run, validate, None, folder)
        train_job(job, trainer)
        if has_adapter(model):
            save_adapter(model, folder)
        weights.delete_checkpoints(folder)
    return model


def _epoch_slots(tasks: Sequence[RolloutTask], batch: int, iterations: int) -> list[RolloutTask]:
    """Return as many tasks as an epoch has slots; those of `tasks` come first."""
    count = -(-len(tasks) // batch) * batch * iterations
    return [tasks[slot % len(tasks)] for slot in range(count)]
