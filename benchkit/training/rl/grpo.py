"""Training on rewards in groups (GRPO; Shao et al., DeepSeekMath, 2024), on the common trainer.

A step draws a group of answers to each of its prompts from the model as it is, or, for
`iterations` steps, uses those drawn last. Checkpoints are written only where new answers are drawn,
and draws are named by their step, so that a resumed training draws what it would have drawn.
"""

import copy
import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import asdict, dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchkit import io
from benchkit.fingerprint import hash_json
from benchkit.lm import shared_prefix as sp
from benchkit.lm.timing import record_stage_cost
from benchkit.training.core import weights
from benchkit.training.core.batch_sampler import StepPlan, epoch_order
from benchkit.training.core.cached_stages import weights_hash
from benchkit.training.core.config import TrainConfig
from benchkit.training.core.lora import add_adapter, has_adapter
from benchkit.training.core.trainer import Trainer
from benchkit.training.core.training_context import autocast, training_context
from benchkit.training.core.training_run import make_validation_score, use_gradient_checkpointing
from benchkit.training.rl import policy_gradient as pg
from benchkit.training.rl import rollouts
from benchkit.training.rl.rollouts import (
    RewardFunction,
    Rollout,
    RolloutSampler,
    RolloutTask,
    require_one_process,
)
from benchkit.training.rl.token_statistics import rollout_certainty, rollout_logprobs
from benchkit.types import RunContext

RolloutBatch = Mapping[str, Tensor]


@dataclass
class GRPOObjective:
    """GRPO's loss of drawn answers: the clipped surrogate and the divergence from the start.

    tasks: all prompts; a batch of the loader holds their places, `rolled` its answers. reference:
    the model that training started from, None where it is the model without its adapter or where
    nothing needs it. log: a file that gets one JSON object a round and micro-batch, or None.
    """

    tasks: Sequence[RolloutTask]
    sampler: RolloutSampler
    reward: RewardFunction
    reference: Any = None
    log: Path | None = None
    step: int = 0
    module = None
    module_lr = 0.0

    def __post_init__(self) -> None:
        self._place = {id(task): place for place, task in enumerate(self.tasks)}

    def context(self, model: Any) -> AbstractContextManager[None]:
        """How the model has to attend while the loss is computed."""
        return sp.use_shared_prefix(model)

    def size(self, example: RolloutTask) -> int:
        return len(example.prompt)

    def collate(self, examples: Sequence[RolloutTask]) -> RolloutBatch:
        """Which tasks these are: their answers are drawn when the step begins, not before."""
        return {"place": torch.tensor([self._place[id(task)] for task in examples])}

    def normalizer(self, batch: RolloutBatch) -> float:
        return float(batch["amount"])

    def loss(self, model: Any, batch: RolloutBatch) -> Tensor:
        policy = self.sampler.settings
        packed = sp.batch_from_tensors(batch, int(batch["group"]))
        now = rollout_logprobs(model, packed, policy.temperature, batch["allowed"])
        old = batch["old"] if "old" in batch else now.detach()
        each = pg.clipped_surrogate(now, old, batch["advantage"], policy.clip)
        if "reference" in batch:
            each = each + policy.kl * pg.kl_k3(now, batch["reference"])
        return (each * batch["weight"]).sum()

    @torch.no_grad()
    def roll_out(
        self, model: Any, batches: Sequence[Sequence[int]], step: int
    ) -> list[RolloutBatch]:
        """Answers to the tasks of a step's micro-batches, as tensors.

        They are named by step and place in the step, so that they are the same however the step
        is split.
        """
        training, made, first = model.training, [], 0
        model.eval()
        try:
            for places in batches:
                tasks = [self.tasks[place] for place in places]
                keys = [f"{step}:{first + n}:{t.request.case_id}" for n, t in enumerate(tasks)]
                first += len(tasks)
                drawn = self.sampler.draw(model, tasks, keys)
                made.append(self._tensors(model, tasks, drawn, step))
        finally:
            model.train(training)
        return made

    def _tensors(
        self, model: Any, tasks: Sequence[RolloutTask], drawn: list[list[Rollout]], step: int
    ) -> RolloutBatch:
        policy = self.sampler.settings
        device = next(model.parameters()).device
        packed = sp.pack_batch(
            [t.prompt for t in tasks], [[r.tokens for r in own] for own in drawn]
        )
        batch = {
            "input_ids": packed.input_ids,
            "position_ids": packed.position_ids,
            "target": packed.target,
            "block": packed.layout.block,
            "prompt": packed.layout.prompt,
            "group": torch.tensor(policy.group),
            "allowed": torch.from_numpy(rollouts.allowed_tokens(drawn, packed.target.shape[1])),
        }
        batch = {name: value.to(device) for name, value in batch.items()}
        # [b, g, t] whose tokens a response's are
        own = batch["block"][:, None] == torch.arange(policy.group, device=device)[:, None]
        chosen = torch.from_numpy(rollouts.choice_mask(drawn, packed.target.shape[1]))
        mask = own & chosen.to(device)[:, None]
        weight, amount = pg.token_weights(mask, policy.reduction, policy.max_tokens)
        batch |= self._said(model, batch, mask.any(dim=1))
        if policy.needs_certainty:
            certainty = pg.masked_mean(batch.pop("certainty")[:, None].expand(mask.shape), mask)
            drawn = [
                [replace(r, certainty=c) for r, c in zip(rolls, row, strict=True)]
                for rolls, row in zip(drawn, certainty.tolist(), strict=True)
            ]
        rewards = torch.tensor(
            [[self.reward(t, r) for r in rolls] for t, rolls in zip(tasks, drawn, strict=True)],
            device=device,
        )
        advantage = pg.group_advantages(rewards, policy.eps)
        batch["weight"] = weight.sum(dim=1)
        batch["advantage"] = (advantage[..., None] * own).sum(dim=1)
        batch["amount"] = torch.tensor(amount, dtype=torch.float64)
        self._note(step, rewards, drawn)
        return batch

    def _said(self, model: Any, batch: RolloutBatch, counted: Tensor) -> dict[str, Tensor]:
        """What the model that draws, and the reference, say of the tokens; only what is needed."""
        policy, packed, said = (
            self.sampler.settings,
            sp.batch_from_tensors(batch, int(batch["group"])),
            {},
        )
        temperature, allowed = policy.temperature, batch["allowed"]
        if policy.iterations > 1:
            with sp.use_shared_prefix(model):
                said["old"] = rollout_logprobs(model, packed, temperature, allowed)
        if policy.needs_certainty:
            with sp.use_shared_prefix(model):
                said["certainty"] = rollout_certainty(model, packed, temperature, counted)
        if policy.kl:
            with ExitStack() as stack:
                start = model if self.reference is None else self.reference
                if self.reference is None:
                    stack.enter_context(model.disable_adapter())
                stack.enter_context(sp.use_shared_prefix(start))
                said["reference"] = rollout_logprobs(start, packed, temperature, allowed)
        return said

    def _note(self, step: int, rewards: Tensor, drawn: list[list[Rollout]]) -> None:
        if self.log is None:
            return
        answers = [rollout for own in drawn for rollout in own]
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


class GRPOTrainer(Trainer):
    """The trainer, with answers drawn at the beginning of a step."""

    objective: GRPOObjective
    _rolled: tuple[int, list[RolloutBatch]] | None = None

    def order(self, epoch: int) -> NDArray[np.int64]:
        """Batches of prompts, each as often in a row as its answers are used; the last is filled
        up from the first."""
        config, n = self.settings, len(self.objective.tasks)
        rng = self.run.generator(config.purpose, "order", epoch)
        order = epoch_order(rng, self.lengths[:n], config.batch_size, config.group_by_length)
        batches = np.resize(order, (-(-n // config.batch_size), config.batch_size))
        return batches.repeat(self.objective.sampler.settings.iterations, axis=0).ravel()

    def get_batch_samples(
        self, epoch_iterator: Any, num_batches: int, *_: Any
    ) -> tuple[list[Any], Any]:
        places = [batch["place"].tolist() for batch in islice(epoch_iterator, num_batches)]
        step = self.state.global_step
        begun = step - step % self.objective.sampler.settings.iterations
        if places and (self._rolled is None or self._rolled[0] != begun):
            with autocast(self.settings.precision, self.args.device.type):
                self._rolled = begun, self.objective.roll_out(self.model, places, begun)
        batches = [] if self._rolled is None or not places else self._rolled[1]
        return batches, sum(self.objective.normalizer(batch) for batch in batches)


def train_grpo(
    model: Any,
    tasks: Sequence[RolloutTask],
    drawing: RolloutSampler,
    reward: RewardFunction,
    config: TrainConfig,
    run: RunContext,
    validate: Callable[[Any], float] | None = None,
    log: Path | None = None,
    about: object = None,
) -> Any:
    """Train a causal language model so that its answers to `tasks` earn more.

    The model as it is given is the reference: with `config.lora` the model without its new
    adapter, else a frozen copy. validate, what is returned, and how an interrupted training goes
    on: as `train_sft` says. about: what the rewards depend on; another training begins anew.
    """
    require_one_process(config)
    policy = drawing.settings
    identity = {
        "model": weights_hash(model),
        "tasks": [repr(task) for task in tasks],
        "policy": asdict(policy),
        "config": config.model_dump(mode="json"),
        "run": [run.seed, repr(about)],
    }
    folder = run.scratch / config.purpose / hash_json(identity)
    with training_context(run.device), record_stage_cost(run, "reinforce"):
        torch.manual_seed(int(run.generator(config.purpose, "adapter").integers(2**31)))
        start = _frozen(model) if policy.kl and config.lora is None else None
        if config.lora is not None:
            model = add_adapter(model, config.lora)
        ended = folder / weights.WEIGHTS_FILE
        if ended.is_file():
            weights.restore_weights(model, weights.read_weights(ended))
            return model.to(run.device).eval()
        objective = GRPOObjective(tasks, drawing, reward, start, log)
        slots = _slots(tasks, config.batch_size, policy.iterations)
        plan = StepPlan.from_config(config, len(slots))
        plan = replace(
            plan,
            checkpoint_interval=-(-plan.checkpoint_interval // policy.iterations)
            * policy.iterations,
        )
        with use_gradient_checkpointing(model, config.gradient_checkpointing):
            tuner = GRPOTrainer(model, slots, objective, config, run, plan, folder)
            tuner.score = make_validation_score(tuner, validate, None)
            tuner.train_to_end()
        weights.write_weights(ended, weights.trainable_parameters(model))
        if has_adapter(model):
            with io.wrap_io_errors(folder):
                model.save_pretrained(str(folder / "adapter"), save_embedding_layers=False)
        weights.delete_checkpoints(folder)
    return model


def _slots(tasks: Sequence[RolloutTask], batch: int, iterations: int) -> list[RolloutTask]:
    """As many tasks as an epoch has places; those of `tasks` come first."""
    count = -(-len(tasks) // batch) * batch * iterations
    return [tasks[place % len(tasks)] for place in range(count)]


def _frozen(model: Any) -> Any:
    return copy.deepcopy(model).requires_grad_(False).eval()
