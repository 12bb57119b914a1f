"""Settings of proximal policy optimisation."""

from pydantic import BaseModel, ConfigDict, Field, NonNegativeFloat, PositiveFloat, PositiveInt


class PPOSettings(BaseModel):
    """How a round of answers is learnt from."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    clip: float = Field(default=0.2, gt=0, lt=1)
    """Clipping range epsilon of the probability ratio, and of the change of a value."""
    kl: NonNegativeFloat = 0.3
    """Coefficient of the divergence from the start, log p - log p_ref of each token (k1), which is
    subtracted from the rewards."""
    gamma: float = Field(default=0.99, ge=0, le=1)
    """Discount."""
    lam: float = Field(default=1.0, ge=0, le=1)
    """Trace decay lambda of the advantages."""
    value_weight: NonNegativeFloat = 0.1
    """Weight of the values' loss."""
    entropy_weight: NonNegativeFloat = 0.01
    """Weight of the entropy, which is rewarded."""
    epochs: PositiveInt = 4
    """Optimizer steps on a round of answers, at most."""
    max_kl: PositiveFloat = 0.05
    """Divergence from the policy that drew the answers, after which a round is left."""
    whiten_rewards: bool = True
    """Divide the rewards of a round by their standard deviation."""
