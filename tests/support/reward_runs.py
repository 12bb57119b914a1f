"""A tiny model that is ready for training on rewards, and what it earns before and after it."""

import copy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchkit import cards
from benchkit.process_state import patch_attributes
from benchkit.testing.fixtures import run_context
from benchkit.training.rl import grpo
from benchkit.training.rl.objective import GRPOObjective
from benchkit.training.rl.trl_settings import TRLSettings
from tests.support.planted_world import planted_world
from tests.support.tiny_models import tiny_backbone

# Fine-tuned until some answers are right; then three steps, each with all of the same 8 questions.
SFT = {
    "epochs": 12, "batch_size": 8, "micro_batch": 8, "learning_rate": 5e-3, "lora": None,
    "gradient_checkpointing": False, "patience": 20,
}  # fmt: skip
STEPS = {
    "epochs": 3, "max_steps": 3, "batch_size": 8, "micro_batch": 4, "learning_rate": 1e-3,
    "warmup": 0.0, "schedule": "constant", "lora": None, "gradient_checkpointing": False,
}  # fmt: skip
BASE = {
    "template": "compact", "fine_tune": True, "candidates": 5, "sft": SFT, "train": STEPS,
    "validation_cases": 60, "share": 8 / 171, "group": 32, "temperature": 0.7,
    "answer_tokens": 24, "rationale": False, "constrained": False, "kl": 0.01,
}  # fmt: skip
EXPERT = {"name": "sasrec", "config": {"epochs": 3, "hidden": 8, "heads": 1, "loss": "bce"}}
METHODS: dict[str, dict[str, Any]] = {
    "grpo": {},
    "twice-rec": {"expert": EXPERT, "tasks": ["direct"]},
    "rec-r1": {"expert": EXPERT},
    "rec-r1/query": {
        "template": "compact-query", "answer_tokens": 64,
        # Queries soon find what is right: less fine-tuning leaves more to learn.
        "sft": {**SFT, "epochs": 5}, "train": {**STEPS, "learning_rate": 3e-4},
    },
    "intuitor": {},
}  # fmt: skip


@dataclass
class RewardTraining:
    """A training on rewards that has not begun."""

    model: Any
    tasks: Any
    sampler: Any
    reward: Any
    config: Any
    run: Any
    method: Any

    def train(self, trl: bool, name: str) -> Any:
        """Train a copy of the model, by TRL or by our loop; `name` names its streams."""
        return grpo.train_grpo(
            copy.deepcopy(self.model), self.tasks, self.sampler, self.reward,
            self.config.model_copy(update={"purpose": name}), self.run,
            trl=TRLSettings() if trl else None,
        )  # fmt: skip

    def mean_reward(self, model: Any) -> float:
        """Mean reward of a group of answers to each task, always by the same random numbers."""
        tasks, reward = self.tasks, self.reward
        with torch.no_grad():
            keys = [f"measure:{number}" for number in range(len(tasks))]
            groups = self.sampler.draw(model.eval(), tasks, keys)
            if self.sampler.settings.needs_certainty:
                objective = GRPOObjective(tasks, self.sampler, reward)
                groups = objective.set_certainty(model, tasks, groups)
        pairs = zip(tasks, groups, strict=True)
        return float(np.mean([reward(task, answer) for task, group in pairs for answer in group]))


def prepare_training(name: str, folder: Path, cache: Path, **more: Any) -> RewardTraining:
    """Fine-tune the tiny model for a method, up to its training on rewards.

    cache: Keeps the fine-tuned model, which most methods share.
    """
    world, card = planted_world(users=200, items=40, length=6), cards.find_card(name)
    config = {**BASE, **METHODS[name], **more, "backbone": tiny_backbone()}
    method = cards.construct_recommender(card, cards.build_config(card, config))
    captured: list[Any] = []

    def capture(model: Any, *arguments: Any, **_: Any) -> Any:
        captured.extend((copy.deepcopy(model), *arguments[:5]))
        return model

    with patch_attributes(grpo, {"train_grpo": capture}):
        method.fit(world.train_view(), run_context(world.catalog, folder, cache=cache))
    return RewardTraining(*captured, method)
