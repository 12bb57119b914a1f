"""Intuitor (Zhao et al., Learning to Reason without External Rewards, 2025): no labels at all.

The reward is the model's own self-certainty, KL(U || p) averaged over the tokens of an answer,
under the model that drew it. Whether the item is right is never looked at.
"""

from collections.abc import Sequence

from pydantic import Field, NonNegativeFloat, PositiveFloat

from baselines.rl.rewarded import RewardConfig, RewardRecommender
from benchkit.protocols import RunContext, TrainView
from benchkit.tuning.rollouts import Reward, Rollout, Task


class Intuitor(RewardRecommender):
    """Fine-tuning on a teacher's rationale and the item, then GRPO on self-certainty."""

    class Config(RewardConfig):
        """Nothing of its own."""

        rationale: bool = True
        group: int = Field(default=7, ge=2)
        temperature: PositiveFloat = 0.9
        kl: NonNegativeFloat = 0.005

    config: Config
    certain = True

    @property
    def remarks(self) -> tuple[str, ...]:
        return (*super().remarks, "rewards are the model's own certainty; targets have no part")

    def reward(self, tasks: Sequence[Task], data: TrainView, run: RunContext) -> Reward:
        return certainty


def certainty(task: Task, answer: Rollout) -> float:  # noqa: ARG001
    """The mean self-certainty of an answer."""
    if answer.certainty is None:
        raise AssertionError("self-certainty was not computed")
    return answer.certainty
