"""Intuitor (Zhao et al., Learning to Reason without External Rewards, 2025): no labels at all.

The reward is the model's own self-certainty, KL(U || p) averaged over the tokens of an answer,
under the model that sampled it. Whether the item is right plays no part.
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from pydantic import Field, NonNegativeFloat, PositiveFloat

from baselines.rl.reward_recommender import RewardConfig, RewardRecommender
from benchkit.training.rl.rollouts import RewardFunction, Rollout, RolloutTask
from benchkit.types import RunContext, TrainView


class Intuitor(RewardRecommender):
    """Fine-tuning on a teacher's rationale and the item, then GRPO on self-certainty."""

    class Config(RewardConfig):
        """Settings of Intuitor: those of all methods that learn from rewards."""

        rationale: bool = True
        group: int = Field(default=7, ge=2)
        temperature: PositiveFloat = 0.9
        kl: NonNegativeFloat = 0.005

    config: Config
    needs_certainty = True
    grpo_defaults: ClassVar[Mapping[str, Any]] = {"epochs": 1, "warmup": 0.1}

    @property
    def caveats(self) -> tuple[str, ...]:
        return (*super().caveats, "rewards are the model's own certainty; targets have no part")

    def make_reward(
        self, tasks: Sequence[RolloutTask], data: TrainView, run: RunContext
    ) -> RewardFunction:
        return certainty_reward


def certainty_reward(task: RolloutTask, answer: Rollout) -> float:  # noqa: ARG001
    """Return the mean self-certainty of an answer."""
    if answer.certainty is None:
        raise AssertionError("self-certainty was not computed")
    return answer.certainty
