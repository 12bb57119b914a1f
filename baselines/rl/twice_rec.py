"""TWiCE-Rec: GRPO on reasons and item, rewarded by the target and by a collaborative filter.

The reward of the item is `rewards.twice_rec_reward` of whether it is the target and of cf, the
sigmoid of a SASRec's score (section 3.3); the reward of the format is added.
"""

from collections.abc import Sequence
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

# The paper's SASRec: its loss is binary, so that the sigmoid of its scores is a probability.
PAPER_EXPERT = ExpertConfig(
    config={
        "loss": "bce", "hidden": 128, "heads": 2, "layers": 2, "dropout": 0.5, "max_length": 100,
        "learning_rate": 1e-3, "batch_size": 2048, "epochs": 20,
    }
)  # fmt: skip


class TWiCERec(RewardRecommender):
    """Fine-tuning on a teacher's rationale and the item, then GRPO."""

    class Config(RewardConfig):
        """Settings of TWiCE-Rec."""

        share: float = Field(default=0.15, gt=0, le=1)
        rationale: bool = True
        group: int = Field(default=16, ge=2)
        reduction: Literal["sequence", "token", "fixed"] = "token"
        weight: NonNegativeFloat = 3.0
        """Weight lambda of cf for the target; 0 is the paper's ablation."""
        threshold: float = Field(default=0.3, ge=0, le=1)
        """Threshold tau below which cf counts for nothing."""
        cf: Literal["sigmoid", "rank"] = "sigmoid"
        """Sigmoid of the expert's score, or its rank, from 1 for the first candidate to 0 for the
        last. The rank works with any expert and is not in the paper."""
        item_weight: PositiveFloat = 1.0
        """Weight of the item's reward relative to the format's; 4 in the official code."""
        expert: ExpertConfig = PAPER_EXPERT
        """Collaborative filter, trained on the same interactions."""

        @model_validator(mode="after")
        def _scores_are_log_odds(self) -> "TWiCERec.Config":
            binary = self.expert.name == "sasrec" and self.expert.config.get("loss") == "bce"
            if self.cf == "sigmoid" and not binary:
                raise ValueError(
                    "the sigmoid of this expert's scores is no probability: use sasrec with"
                    " loss = 'bce', or set cf = 'rank'"
                )
            return self

    config: Config

    def make_reward(
        self, tasks: Sequence[RolloutTask], data: TrainView, run: RunContext
    ) -> RewardFunction:
        config, tags = self.config, self.answer_tags
        expert = config.expert.fit_expert(data, run)
        requests = [task.request for task in tasks]
        scores = expert_scores(expert, requests, run)
        table: dict[str, dict[str, float]] = {}
        for request, row in zip(requests, scores, strict=True):
            agreement = collaborative_agreement(row, config.cf).tolist()
            table[request.case_id] = dict(zip(request.candidates, agreement, strict=True))
        # A share near 1 would mean that other items are rewarded for their popularity.
        others = [
            cf >= config.threshold
            for task in tasks
            for item, cf in table[task.request.case_id].items()
            if item != task.target
        ]
        path = (run.artifacts or run.scratch) / "collaborative.json"
        io.write_json(path, {"others_above_threshold": float(np.mean(others))})

        def reward(task: RolloutTask, answer: Rollout) -> float:
            cf = table[task.request.case_id].get(answer.item, 0.0) if answer.item else 0.0
            match = answer.item == task.target
            item_reward = rewards.twice_rec_reward(match, cf, config.weight, config.threshold)
            return config.item_weight * item_reward + rewards.format_reward(answer.text, tags)

        return reward


def collaborative_agreement(
    values: NDArray[np.float64], method: Literal["sigmoid", "rank"]
) -> NDArray[np.float64]:
    """Map an expert's scores [c] of candidates to agreement with the history, [c] from 0 to 1.

    `rank` is the share of the other candidates that score lower, plus half of those with ties.
    """
    if method == "sigmoid":
        # By tanh, which never overflows.
        sigmoid: NDArray[np.float64] = 0.5 * (1 + np.tanh(values / 2))
        return sigmoid
    lower = (values[None, :] < values[:, None]).sum(axis=1)
    ties = (values[None, :] == values[:, None]).sum(axis=1) - 1
    share: NDArray[np.float64] = (lower + ties / 2) / max(1, len(values) - 1)
    return share
