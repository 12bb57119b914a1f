"""Rec-R1 (Lin et al., 2025) where the answer names the item.

In the paper the model writes a search query, and the reward is the NDCG of what a retriever finds.
Here there is no search: the right item has rank 1, and any other item is not found. In C-APO's
tables the baseline of this name adds rewards of a collaborative filter (appendix B); see
`twice_rec`.
"""

from collections.abc import Sequence

from pydantic import Field, NonNegativeFloat, PositiveFloat

from baselines.rl.reward_recommender import RewardConfig, RewardRecommender
from benchkit.training.rl import rewards
from benchkit.training.rl.rollouts import RewardFunction, Rollout, RolloutTask
from benchkit.types import RunContext, TrainView


class RecR1(RewardRecommender):
    """Fine-tuning on a teacher's rationale and the item, then GRPO on Rec-R1's reward."""

    class Config(RewardConfig):
        """Settings of Rec-R1."""

        rationale: bool = True
        group: int = Field(default=12, ge=2)
        temperature: PositiveFloat = 0.6
        kl: NonNegativeFloat = 0.001
        bonus: NonNegativeFloat = 0.1
        """Bonus of a right answer for its format."""
        malformed: float = Field(default=-2.0, le=0)
        """Reward of an answer without the format."""

    config: Config

    def make_reward(
        self, tasks: Sequence[RolloutTask], data: TrainView, run: RunContext
    ) -> RewardFunction:
        config, tags = self.config, self.answer_tags

        def reward(task: RolloutTask, answer: Rollout) -> float:
            rank = 1 if answer.item == task.target else None
            well_formed = rewards.is_well_formed(answer.text, tags)
            return rewards.rec_r1_reward(rank, well_formed, config.bonus, config.malformed)

        return reward
