"""The three stages of STREAM-Rec's training."""

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from baselines.hybrid.item_ids.code_tokens import CodeTokens
from baselines.hybrid.item_ids.training_rows import TrainingRow
from baselines.hybrid.stream.objectives import NextIdObjective, ThinkingObjective
from baselines.hybrid.stream.rewards import ThinkingGroupObjective, ThinkingRewards
from baselines.hybrid.stream.settings import GroupSettings, ThinkingWeights
from baselines.hybrid.stream.slow_thinking import SlowThinking
from benchkit.training.core.config import TrainConfig
from benchkit.training.train import train_on_objective
from benchkit.types import RunContext


@dataclass(frozen=True)
class StreamTraining:
    """What all stages train on. Each returns the trained model."""

    tokens: CodeTokens
    items: NDArray[np.int32]
    """[n] item codes of the training interactions."""
    length: int
    """Newest items that are read."""
    examples: Sequence[TrainingRow]
    run: RunContext
    validate: Callable[[Any], float] | None
    """Scores the model, higher is better."""

    def pretrain(self, model: Any, similar: NDArray[np.int64], config: TrainConfig) -> Any:
        """Stage 1: ids, followed by those of similar items."""
        objective = NextIdObjective(self.tokens, self.items, similar, self.length)
        return self._train(model, objective, config)

    def think(
        self, model: Any, thinking: SlowThinking, weights: ThinkingWeights, config: TrainConfig
    ) -> Any:
        """Stage 2: thoughts before ids."""
        objective = ThinkingObjective(
            self.tokens, self.items, self.length, thinking, frozen_copy(model), weights,
            config.learning_rate,
        )  # fmt: skip
        return self._train(model, objective, config)

    def reinforce(
        self, model: Any, thinking: SlowThinking, settings: GroupSettings, config: TrainConfig
    ) -> Any:
        """Stage 3: rewards of what the model writes itself."""
        rewards = ThinkingRewards(self.tokens, thinking.requires_grad_(False))
        objective = ThinkingGroupObjective(
            self.tokens, self.items, self.length, rewards, frozen_copy(model), settings, self.run
        )
        return self._train(model, objective, config)

    def _train(self, model: Any, objective: Any, config: TrainConfig) -> Any:
        return train_on_objective(model, self.examples, objective, config, self.run, self.validate)


def frozen_copy(model: Any) -> Any:
    """Return a copy of a model that is not trained, in evaluation mode."""
    return copy.deepcopy(model).requires_grad_(False).eval()
