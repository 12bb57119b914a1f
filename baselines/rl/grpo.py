"""GRPO: answers are drawn in groups, and those that earn more than their group become likelier.

Shao et al., DeepSeekMath, 2024.
"""

from collections.abc import Sequence

from pydantic import NonNegativeFloat

from baselines.rl.reward_recommender import RewardConfig, RewardRecommender
from benchkit.errors import ConfigError
from benchkit.training.rl import rewards
from benchkit.training.rl.rollouts import RewardFunction, RolloutTask
from benchkit.types import RunContext, TrainView


class GRPO(RewardRecommender):
    """The reward is for naming the right item, and for the form of the answer."""

    class Config(RewardConfig):
        """match: reward of the right item. form: weight of the format reward, for answers that
        have tags and are drawn freely; it is the same for all others."""

        match: NonNegativeFloat = 1.0
        form: NonNegativeFloat = 1.0

    config: Config

    def __init__(self, config: Config | None = None) -> None:
        super().__init__(config)
        formed = self.config.form > 0 and self.answer_tags and not self.grpo_settings.constrained
        if not self.config.match and not formed:
            raise ConfigError("no answer is worth more than another", "match = 1.0")

    def make_reward(
        self, tasks: Sequence[RolloutTask], data: TrainView, run: RunContext
    ) -> RewardFunction:
        match, form, tags = self.config.match, self.config.form, self.answer_tags
        return lambda task, answer: (
            match * (answer.item == task.target) + form * rewards.format_reward(answer.text, tags)
        )
