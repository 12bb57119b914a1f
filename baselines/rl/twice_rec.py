"""TWiCE-Rec: GRPO on reasons and item, rewarded by the target and by a collaborative filter.

The reward of the item is `rewards.twice_rec_reward` of whether it is the target and of cf, the
sigmoid of a SASRec's score (eq. 2); the reward of the format is added (eqs. 3-5).
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
        kl: NonNegativeFloat = 0.04
        """Coefficient of the divergence from the fine-tuned model: the official code's, by its
        library's default. The paper's eq. 1 has none: 0."""
        weight: NonNegativeFloat = 3.0
        """Weight lambda of cf for the target. 0 leaves the collaborative filter out, also for other
        items: the paper's variant D, item match and format alone."""
        threshold: float = Field(default=0.3, ge=0, le=1)
        """Threshold tau below which cf counts for nothing."""
        cf: Literal["sigmoid", "rank"] = "sigmoid"
        """Sigmoid of the expert's score, or its rank, from 1 for the first candidate to 0 for the
        last. The rank works with any expert and is not in the paper."""
        item_weight: PositiveFloat = 1.0
        """Weight of the item's reward relative to the format's; 4 in the official code."""
        format_reward: Literal["paper", "strict"] = "paper"
        """Eqs. 3-5, by which tags only have to be there, or for an answer of the tags in their
        order, each once, and nothing else."""
        expert: ExpertConfig = PAPER_EXPERT
        """Collaborative filter, trained on the same interactions."""

        @model_validator(mode="after")
        def _scores_are_log_odds(self) -> "TWiCERec.Config":
            binary = self.expert.name == "sasrec" and self.expert.config.get("loss") == "bce"
            if self.weight and self.cf == "sigmoid" and not binary:
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
        format_reward = rewards.FORMAT_REWARDS[config.format_reward]
        table = self._agreement(tasks, data, run) if config.weight else {}

        def reward(task: RolloutTask, answer: Rollout) -> float:
            agreement = table.get(task.request.case_id, {})
            cf = agreement.get(answer.item, 0.0) if answer.item else 0.0
            match = answer.item == task.target
            item_reward = rewards.twice_rec_reward(match, cf, config.weight, config.threshold)
            return config.item_weight * item_reward + format_reward(answer.text, tags)

        return reward

    def _agreement(
        self, tasks: Sequence[RolloutTask], data: TrainView, run: RunContext
    ) -> dict[str, dict[str, float]]:
        """Fit the expert; return for each task its agreement with each candidate, 0 to 1."""
        config = self.config
        expert = config.expert.fit_expert(data, run)
        requests = [task.request for task in tasks]
        table: dict[str, dict[str, float]] = {}
        for request, row in zip(requests, expert_scores(expert, requests, run), strict=True):
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
        return table


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
