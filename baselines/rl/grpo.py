"""GRPO: of a group of sampled answers, those with higher rewards than average become likelier.

Shao et al., DeepSeekMath, 2024.
"""

from collections.abc import Sequence

from pydantic import NonNegativeFloat

from baselines.rl.reward_recommender import RewardConfig, RewardRecommender
from benchkit.errors import ConfigError
from benchkit.training.rl import rewards
from benchkit.training.rl.rollouts import RewardFunction, Rollout, RolloutTask
from benchkit.types import RunContext, TrainView


class GRPO(RewardRecommender):
    """The reward is for naming the right item, and for the format of the answer."""

    class Config(RewardConfig):
        """Settings of GRPO."""

        match: NonNegativeFloat = 1.0
        """Reward of the right item."""
        form: NonNegativeFloat = 1.0
        """Weight of the strict format reward, which is constant unless answers have tags and are
        free."""

    config: Config

    def __init__(self, config: Config | None = None) -> None:
        super().__init__(config)
        config, constrained = self.config, self.grpo_settings.constrained
        format_varies = config.form > 0 and self.answer_tags and not constrained
        if not config.match and not format_varies:
            raise ConfigError("all answers have the same reward", "set match = 1.0")

    def make_reward(
        self, tasks: Sequence[RolloutTask], data: TrainView, run: RunContext
    ) -> RewardFunction:
        match, form, tags = self.config.match, self.config.form, self.answer_tags

        def reward(task: RolloutTask, answer: Rollout) -> float:
            form_reward = rewards.strict_format_reward(answer.text, tags)
            return match * (answer.item == task.target) + form * form_reward

        return reward
