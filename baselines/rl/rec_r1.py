"""Rec-R1 (Lin et al., 2025) where the answer names the item, as a baseline of C-APO.

The right item has rank 1, and any other item is not found. To that, C-APO's baseline adds a reward
by a collaborative filter (appendix B, which names SASRec and gives no formula): here its weight
times the sigmoid of the score of the item that is named. `rec_r1_query` is the method of Rec-R1's
own paper, in which the answer is a query for a retriever.
"""

from collections.abc import Sequence

from pydantic import Field, NonNegativeFloat, PositiveFloat

from baselines.rl.collaborative_reward import (
    CollaborativeConfig,
    agreement_table,
    answer_agreement,
)
from baselines.rl.reward_recommender import RewardRecommender
from benchkit.training.rl import rewards
from benchkit.training.rl.rollouts import RewardFunction, Rollout, RolloutTask
from benchkit.types import RunContext, TrainView

_LIKELY = 0.5  # sigmoid of a score from which the expert rather agrees; shown, not rewarded


class RecR1(RewardRecommender):
    """Fine-tuning on a teacher's rationale and the item, then GRPO on Rec-R1's reward."""

    class Config(CollaborativeConfig):
        """Settings of Rec-R1."""

        rationale: bool = True
        group: int = Field(default=12, ge=2)
        temperature: PositiveFloat = 0.6
        kl: NonNegativeFloat = 0.001
        bonus: NonNegativeFloat = 0.1
        """Bonus of a right answer for its format."""
        malformed: float = Field(default=-2.0, le=0)
        """Reward of an answer without the format, whatever it names."""
        weight: NonNegativeFloat = 1.0
        """Weight of the collaborative filter's agreement with the item that is named; 0 leaves
        the item match alone."""

    config: Config

    def make_reward(
        self, tasks: Sequence[RolloutTask], data: TrainView, run: RunContext
    ) -> RewardFunction:
        config, tags = self.config, self.answer_tags
        table = agreement_table(config, _LIKELY, tasks, data, run)

        def reward(task: RolloutTask, answer: Rollout) -> float:
            rank = 1 if answer.item == task.target else None
            well_formed = rewards.is_well_formed(answer.text, tags)
            value = rewards.rec_r1_reward(rank, well_formed, config.bonus, config.malformed)
            agreement = answer_agreement(table, task, answer) if well_formed else 0.0
            return value + config.weight * agreement

        return reward
