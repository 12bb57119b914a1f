"""TWiCE-Rec: GRPO on reasons and item, rewarded by the target and by a collaborative filter.

The reward of the item is `rewards.twice` of whether it is the target and of cf, the sigmoid of a
SASRec's score (section 3.3); to it comes the reward of the form.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, NonNegativeFloat, PositiveFloat, model_validator

from baselines.experts import ExpertConfig, expert_scores
from baselines.rl.reward_recommender import RewardConfig, RewardRecommender
from benchkit import io
from benchkit.training.rl import rewards
from benchkit.training.rl.rollouts import RewardFunction, Rollout, RolloutTask
from benchkit.types import RunContext, TrainView

# The paper's SASRec: the sigmoid of its scores means something, because its loss is binary.
PAPER_EXPERT = ExpertConfig(
    config={
        "loss": "bce", "hidden": 128, "heads": 2, "layers": 2, "dropout": 0.5, "max_length": 100,
        "learning_rate": 1e-3, "batch_size": 2048, "epochs": 20,
    }
)  # fmt: skip


class TWiCERec(RewardRecommender):
    """Fine-tuning on a teacher's rationale and the item, then GRPO."""

    class Config(RewardConfig):
        """weight: of cf where the item is the target (lambda); 0 is the ablation without it.
        threshold: below which cf counts for nothing (tau). cf: `sigmoid` of the expert's score, or
        `rank`, 1 for the expert's first candidate and 0 for its last, which works with any expert
        and is not the paper's. item_weight: of the item's reward beside the form's; 4 in the
        official code. expert: trained on the same interactions."""

        share: float = Field(default=0.15, gt=0, le=1)
        rationale: bool = True
        group: int = Field(default=16, ge=2)
        reduction: Literal["sequence", "token", "fixed"] = "token"
        weight: NonNegativeFloat = 3.0
        threshold: float = Field(default=0.3, ge=0, le=1)
        cf: Literal["sigmoid", "rank"] = "sigmoid"
        item_weight: PositiveFloat = 1.0
        expert: ExpertConfig = PAPER_EXPERT

        @model_validator(mode="after")
        def _scores_are_log_odds(self) -> "TWiCERec.Config":
            binary = self.expert.name == "sasrec" and self.expert.config.get("loss") == "bce"
            if self.cf == "sigmoid" and not binary:
                raise ValueError(
                    "the sigmoid of this expert's scores is no probability: take sasrec with"
                    " loss = 'bce', or cf = 'rank'"
                )
            return self

    config: Config

    def make_reward(
        self, tasks: Sequence[RolloutTask], data: TrainView, run: RunContext
    ) -> RewardFunction:
        config, tags = self.config, self.answer_tags
        expert = config.expert.fit_expert(data, run)
        training = replace(run, catalog=data.catalog)
        asked = expert_scores(expert, [task.request for task in tasks], training)
        table = {
            task.request.case_id: dict(zip(task.request.candidates, row, strict=True))
            for task, row in zip(
                tasks,
                (collaborative_agreement(own, config.cf).tolist() for own in asked),
                strict=True,
            )
        }
        # A share near 1 would make the reward of other items one for popularity.
        others = [
            cf >= config.threshold
            for task in tasks
            for item, cf in table[task.request.case_id].items()
            if item != task.target
        ]
        shown = (run.artifacts or run.scratch) / "collaborative.json"
        io.write_json(shown, {"others_above_threshold": float(np.mean(others))})

        def reward(task: RolloutTask, answer: Rollout) -> float:
            cf = table[task.request.case_id].get(answer.item, 0.0) if answer.item else 0.0
            match = answer.item == task.target
            own = rewards.twice_rec_reward(match, cf, config.weight, config.threshold)
            return config.item_weight * own + rewards.format_reward(answer.text, tags)

        return reward


def collaborative_agreement(
    values: NDArray[np.float64], how: Literal["sigmoid", "rank"]
) -> NDArray[np.float64]:
    """[c] between 0 and 1: how well each candidate goes with the history, by an expert's scores.

    rank: the share of the other candidates that score lower; of those that score alike, half.
    """
    if how == "sigmoid":
        # By tanh, which overflows nowhere.
        found: NDArray[np.float64] = 0.5 * (1 + np.tanh(values / 2))
        return found
    lower = (values[None, :] < values[:, None]).sum(axis=1)
    alike = (values[None, :] == values[:, None]).sum(axis=1) - 1
    share: NDArray[np.float64] = (lower + alike / 2) / max(1, len(values) - 1)
    return share
