"""Settings of the nano backbone."""

from typing import Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeFloat,
    PositiveFloat,
    PositiveInt,
    model_validator,
)


class NanoConfig(BaseModel):
    """How nano is built."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    architecture: Literal["qwen3", "gemma3_text"] = "qwen3"
    """Architecture in transformers."""
    hidden: PositiveInt = 64
    """Width of the model; input and output embeddings are one table."""
    layers: PositiveInt = 2
    """Blocks of the Transformer."""
    heads: PositiveInt = 2
    """Attention heads; twice as many divide `hidden`."""
    kv_heads: PositiveInt = 2
    """Heads of keys and values; divides `heads`."""
    intermediate: PositiveInt = 128
    """Width of the feed-forward layers."""
    positions: PositiveInt = 1024
    """Tokens that it accepts; longer than it was trained on (`context`) is read almost as well."""
    vocabulary: int = Field(default=8192, ge=512)
    """Tokens of the tokenizer, at most."""
    pieces: int = Field(default=512, ge=0)
    """Merges for spelling."""
    min_count: PositiveInt = 3
    """Occurrences in training from which a title is one token, if there is room."""
    held_out: int = Field(default=1, ge=0)
    """Last training interactions of each user that it does not learn from: a user's last one is
    what fine-tuning and preferences are about, and a language model has not seen that."""
    context: int = Field(default=128, ge=8)
    """Tokens of a training window."""
    skip: float = Field(default=0.1, ge=0, lt=1)
    """Share of interactions left out of an epoch, drawn anew in each."""
    epochs: PositiveInt = 60
    """Passes over the training histories, at most."""
    steps: PositiveInt = 2000
    """Training ends after `epochs` or `steps`, whichever is less."""
    batch_tokens: PositiveInt = 1024
    """Tokens of a step; fewer for small data."""
    learning_rate: PositiveFloat = 3e-3
    """Reached after `warmup` steps."""
    warmup: PositiveInt = 50
    """Steps in which the learning rate rises."""
    weight_decay: NonNegativeFloat = 0.0
    """Weight decay of AdamW."""
    averaging: float = Field(default=0.99, ge=0, lt=1)
    """Decay per step of the running average of the weights."""
    checks: PositiveInt = 32
    """How often the validation loss is computed, at most."""
    patience: PositiveInt = 2
    """Training ends after so many checks in a row that gain less than `least_gain`."""
    least_gain: NonNegativeFloat = 0.01
    """Nats by which a validation loss must be below the lowest before it."""
    validation_cases: int = Field(default=512, ge=0)
    """Cases of the validation loss, the first ones."""
    seed: int = 0
    """Seed of its weights and of what is drawn in training: one nano for all seeds of a run."""

    @property
    def caveat(self) -> str:
        """What a reader of a table must know of rows with this backbone."""
        count = self.held_out
        items = "item" if count == 1 else f"{count} items"
        exception = f", but not on each user's last {items}" if count else ""
        return (
            "backbone nano: a small language model, trained from scratch on this dataset's training"
            f" histories{exception}; it knows nothing else, and how its rows compare need not hold"
            " for large models"
        )

    @model_validator(mode="after")
    def _heads_fit(self) -> Self:
        if self.hidden % (2 * self.heads):
            raise ValueError(f"hidden ({self.hidden}) must be a multiple of 2 heads ({self.heads})")
        if self.heads % self.kv_heads:
            raise ValueError(f"kv_heads ({self.kv_heads}) must divide heads ({self.heads})")
        return self
