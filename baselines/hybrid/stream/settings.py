"""Settings of STREAM-Rec and of its losses and rewards."""

from dataclasses import dataclass

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt

from baselines.hybrid.item_ids.recommender import IdConfig, fill_training_config
from baselines.hybrid.item_ids.training_defaults import training_defaults
from benchkit.errors import ConfigError
from benchkit.training.core.config import TrainConfig
from benchkit.types import RunContext

STAGES = ("pretrain", "train", "reinforce")


@dataclass(frozen=True)
class ThinkingWeights:
    """Weights of the losses of stage 2, beside the cross-entropy."""

    contrast: float = 0.1
    quantisation: float = 1.0
    preference: float = 0.1
    beta: float = 0.1
    """Scale of DPO's log-ratios."""
    temperature: float = 0.1
    """Of the contrast."""


@dataclass(frozen=True)
class GroupSettings:
    """How answers are sampled in stage 3, and how the model follows their rewards."""

    group: int = 4
    """Answers to a history."""
    kl: float = 0.04
    """Weight of the divergence from the model of stage 2."""
    temperature: float = 1.0
    clip: float = 0.2
    """Clipping range of the probability ratio."""


class StreamConfig(IdConfig):
    """Settings of STREAM-Rec. Sizes left out follow the backbone."""

    levels: PositiveInt | None = None
    """Codes of an item's id; 2 for nano, else 3."""
    codes: PositiveInt | None = None
    """Codes of a level; 128 for nano, else 256."""
    steps: PositiveInt | None = None
    """Codes of a thought, l; 2 for nano, else 4."""
    thought_codes: PositiveInt | None = None
    """Entries of the codebook of thoughts; 4 for nano, else 256."""
    history: PositiveInt | None = None
    """Newest items that are read; 20 for both."""
    similar: int = Field(default=2, ge=0)
    """Similar items whose ids follow the target's in stage 1."""
    pretrain: TrainConfig = TrainConfig()
    """Stage 1: ids. `train` is stage 2: thoughts before ids."""
    reinforce: TrainConfig = TrainConfig()
    """Stage 3: rewards."""
    contrast: NonNegativeFloat = 0.1
    """Weight of the contrast between states and items in stage 2."""
    quantisation: NonNegativeFloat = 1.0
    """Weight of the distance between residuals and codes."""
    preference: NonNegativeFloat = 0.1
    """Weight of DPO."""
    beta: PositiveFloat = 0.1
    """Scale of DPO's log-ratios."""
    group: int = Field(default=4, ge=2)
    """Answers to a history in stage 3."""
    kl: NonNegativeFloat = 0.04
    """Weight of the divergence from the model of stage 2."""
    thoughts: PositiveInt = 8
    """Likeliest thoughts over which an id's probability is averaged; 1 is the best alone."""


def stage_config(config: StreamConfig, stage: str, run: RunContext) -> TrainConfig:
    """Return how a stage is trained; raise ConfigError if not all weights are to be."""
    defaults = training_defaults(f"stream-{stage}", config.is_nano)
    settings = fill_training_config(getattr(config, stage), defaults, run)
    if settings.lora is not None:
        raise ConfigError(
            f"{stage} has an adapter, beside which the vectors of the codes would stay random",
            f"leave lora out of {stage}: all weights are trained",
        )
    return settings
