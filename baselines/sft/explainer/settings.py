"""Settings of RecExplainer."""

from typing import Any

from pydantic import PositiveInt

from baselines.experts import ExpertConfig
from baselines.sft.explainer.expert_vectors import Alignment
from baselines.sft.explainer.task_mixture import TaskMixture
from benchkit.errors import ConfigError
from benchkit.training.core.config import LoRAConfig
from benchkit.training.core.fine_tuning_config import FineTunedConfig

# The authors' for a model of seven billion parameters.
_LARGE = {
    "epochs": 20, "batch_size": 64, "learning_rate": 1e-4, "warmup": 0.1,
    "lora": LoRAConfig(
        r=16, alpha=32, dropout=0.05, targets=("q_proj", "k_proj", "v_proj", "o_proj")
    ),
}  # fmt: skip
_HISTORY = 9


class RecExplainerConfig(FineTunedConfig):
    """Settings of RecExplainer."""

    expert: ExpertConfig = ExpertConfig()
    """The recommender to learn from, trained on the same data."""
    alignment: Alignment = "hybrid"
    """What stands for the user: the titles of the history (`behaviour`), the expert's vector
    (`intention`), or both. Vectors need an expert with `item_embeddings` and `user_states`."""
    history: PositiveInt | None = None
    """Most events of a history that are written, the last ones; None: 9, and for nano all that
    fit."""
    tasks: TaskMixture = TaskMixture()
    """Number of examples of each task."""
    explain: bool = False
    """Let the model say why it ranks an item first, after it has."""

    @property
    def max_history(self) -> int | None:
        """Most events of a history in a prompt; None for no limit."""
        return _HISTORY if self.history is None and not self.is_nano else self.history

    @property
    def training_defaults(self) -> dict[str, Any]:
        """Defaults of the training."""
        return {} if self.is_nano else _LARGE


def check_vectors(config: RecExplainerConfig) -> None:
    """Raise ConfigError if the alignment needs vectors that the expert does not have."""
    if config.alignment == "behaviour":
        return
    expert = type(config.expert.make())
    if not (hasattr(expert, "item_embeddings") and hasattr(expert, "user_states")):
        raise ConfigError(
            f"expert {config.expert.name!r} has no vectors of users and items",
            'use expert = { name = "sasrec" }, or set alignment = "behaviour"',
        )
    if config.train.processes > 1:
        raise ConfigError(
            f"connectors are trained in one process, not in {config.train.processes}",
            'set train.processes = 1, or alignment = "behaviour"',
        )
