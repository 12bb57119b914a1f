"""The part of a reward that a collaborative filter gives: how much it agrees with an item."""

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import NonNegativeFloat, model_validator

from baselines.experts import ExpertConfig, expert_scores
from baselines.rl.reward_recommender import RewardConfig
from benchkit import io
from benchkit.training.rl.rollouts import Rollout, RolloutTask
from benchkit.types import RunContext, TrainView

# TWiCE-Rec's SASRec: its loss is binary, so that the sigmoid of its scores is a probability.
BINARY_EXPERT = ExpertConfig(
    config={
        "loss": "bce", "hidden": 128, "heads": 2, "layers": 2, "dropout": 0.5, "max_length": 100,
        "learning_rate": 1e-3, "batch_size": 2048, "epochs": 20,
    }
)  # fmt: skip
AgreementTable = dict[str, dict[str, float]]


class CollaborativeConfig(RewardConfig):
    """Settings of a method whose reward has a part that a collaborative filter gives."""

    weight: NonNegativeFloat = 1.0
    """Weight of the collaborative filter; 0 leaves it out."""
    cf: Literal["sigmoid", "rank"] = "sigmoid"
    """Sigmoid of the expert's score, or its rank, from 1 for the first candidate to 0 for the
    last. The rank works with any expert and is not in the papers."""
    expert: ExpertConfig = BINARY_EXPERT
    """Collaborative filter, trained on the same interactions."""

    @model_validator(mode="after")
    def _scores_are_log_odds(self) -> Any:
        binary = self.expert.name == "sasrec" and self.expert.config.get("loss") == "bce"
        if self.weight and self.cf == "sigmoid" and not binary:
            raise ValueError(
                "the sigmoid of this expert's scores is no probability: use sasrec with"
                " loss = 'bce', or set cf = 'rank'"
            )
        return self


def agreement_table(
    config: CollaborativeConfig,
    threshold: float,
    tasks: Sequence[RolloutTask],
    data: TrainView,
    run: RunContext,
) -> AgreementTable:
    """Fit the expert; return for each task its agreement with each candidate, 0 to 1.

    The run's record gets the share of wrong candidates whose agreement is at least `threshold`, in
    collaborative.json: near 1, other items are rewarded for their popularity. Without a weight no
    expert is fitted, and the table is empty.
    """
    if not config.weight:
        return {}
    expert = config.expert.fit_expert(data, run)
    requests = [task.request for task in tasks]
    table: AgreementTable = {}
    for request, row in zip(requests, expert_scores(expert, requests, run), strict=True):
        agreement = collaborative_agreement(row, config.cf).tolist()
        table[request.case_id] = dict(zip(request.candidates, agreement, strict=True))
    others = [
        cf >= threshold
        for task in tasks
        for item, cf in table[task.request.case_id].items()
        if item != task.target
    ]
    path = (run.artifacts or run.scratch) / "collaborative.json"
    io.write_json(path, {"others_above_threshold": float(np.mean(others))})
    return table


def answer_agreement(table: AgreementTable, task: RolloutTask, answer: Rollout) -> float:
    """Return the agreement with the item that an answer names; 0 where it names none."""
    agreement = table.get(task.request.case_id, {})
    return agreement.get(answer.item, 0.0) if answer.item else 0.0


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
