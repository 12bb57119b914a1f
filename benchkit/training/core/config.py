"""Settings of training a language model."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeFloat,
    PositiveFloat,
    PositiveInt,
    model_validator,
)

from benchkit.lm.packing import Kernel

Precision = Literal["float32", "bfloat16"]
LINEAR_MODULES = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")


class LoRAConfig(BaseModel):
    """Low-rank adapters: W + (alpha / r) B A, with B zero at the start.

    Reference:
        Hu et al., LoRA: Low-Rank Adaptation of Large Language Models, ICLR 2022.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    r: PositiveInt = 8
    """Rank r."""
    alpha: PositiveInt = 16
    """Scale alpha."""
    dropout: float = Field(default=0.0, ge=0, lt=1)
    """Dropout rate on the adapters' input."""
    targets: tuple[str, ...] = Field(default=LINEAR_MODULES, min_length=1)
    """Names of the linear modules that get an adapter; by default all seven of a block."""


class TrainConfig(BaseModel):
    """How a language model is trained, whatever the loss."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    epochs: PositiveFloat = 3
    """Passes over the examples; may be a fraction."""
    max_steps: PositiveInt | None = None
    """Largest number of optimizer steps; None for no limit."""
    min_steps: PositiveInt | None = None
    """Smallest number of optimizer steps: few examples are passed over more often than `epochs`
    says, and validated as often as `epochs` says. None for no minimum; `max_steps` takes
    precedence."""
    batch_size: PositiveInt = 32
    """Examples of an optimizer step, over all processes."""
    micro_batch: PositiveInt | None = None
    """Examples in memory at once; divides batch_size. None: all that a process has in a step."""
    micro_batch_tokens: PositiveInt | None = None
    """Tokens in memory at once, instead of a number of examples: the examples of a step are put
    together so that each micro-batch has at most so many tokens, or a single example. For one
    process, and not for rewards, whose answers have no length before they are sampled."""
    prefix_attention: Kernel = "auto"
    """How responses behind one prompt attend: `padded`, `grouped` or `flex`. `auto`: `flex`
    (FlexAttention's block masks) on a GPU that compiles it, else `grouped` (one row without
    padding) where a padded batch would have 10 % more tokens, else `padded`."""
    processes: PositiveInt = 1
    """Processes that share a step, each with its own GPU, or all on the CPU. Results differ only
    by the order of sums and by the adapters' dropout."""
    accelerate: Path | None = None
    """Configuration file of Accelerate, for example for DeepSpeed; None exchanges gradients by
    DistributedDataParallel."""
    learning_rate: PositiveFloat = 1e-4
    """Highest learning rate, reached after the warm-up."""
    schedule: Literal["cosine", "linear", "constant", "cosine_with_min_lr"] = "cosine"
    """Course of the learning rate after the warm-up."""
    min_lr: float = Field(default=0.1, ge=0, le=1)
    """Where `cosine_with_min_lr` ends, as a share of the learning rate."""
    warmup: float = Field(default=0.05, ge=0, lt=1)
    """Warm-up as a share of all steps."""
    weight_decay: NonNegativeFloat = 0.0
    """Decoupled weight decay."""
    max_grad_norm: NonNegativeFloat = 1.0
    """Norm at which gradients are clipped; 0 for no clipping."""
    optimizer: str = "adamw"
    """`adamw`, or an optimizer name of transformers, for example `paged_adamw_8bit`."""
    lora: LoRAConfig | None = None
    """Adapters to train; None trains every parameter that requires a gradient."""
    gradient_checkpointing: bool = False
    """Compute activations twice instead of keeping them in memory."""
    precision: Precision = "float32"
    """Precision of the forward pass; parameters keep theirs."""
    unit: Literal["epochs", "steps"] = "epochs"
    """Unit of evaluate_every and checkpoint_every."""
    evaluate_every: PositiveFloat = 1.0
    """Interval between validations."""
    checkpoint_every: PositiveFloat = 1.0
    """Interval between checkpoints."""
    patience: PositiveInt | None = None
    """Validations in a row without a better score after which training stops; None: never."""
    max_length: PositiveInt = 2048
    """Tokens of an example; a longer example stops the run before training begins."""
    train_on_prompt: bool = False
    """Include the prompt's tokens in the loss."""
    group_by_length: bool = False
    """Batch examples of similar length: less padding, a slightly less random order."""
    purpose: str = Field(default="sft", pattern=r"^[a-z0-9][a-z0-9._-]*$")
    """Name of the random streams and of the checkpoint folder; unique among a run's trainings."""

    @model_validator(mode="after")
    def _batches_divide(self) -> Self:
        if self.batch_size % self.micro_batch_size:
            raise ValueError(
                f"batch_size {self.batch_size} is not a multiple of micro_batch"
                f" {self.micro_batch_size}"
            )
        room = self.micro_batch_size * self.processes
        if room > self.batch_size:
            raise ValueError(
                f"{self.processes} processes with micro_batch {self.micro_batch_size} have room for"
                f" {room} examples, but batch_size is {self.batch_size}: some would never have work"
            )
        if self.micro_batch_tokens is not None and self.processes > 1:
            raise ValueError("micro_batch_tokens is for one process; set micro_batch instead")
        if self.accelerate is not None and self.processes == 1:
            raise ValueError("accelerate says how processes work together, but processes is 1")
        return self

    @property
    def micro_batch_size(self) -> int:
        """Examples that one process has in memory at once; all where tokens are counted."""
        if self.micro_batch_tokens is not None:
            return self.batch_size
        return self.micro_batch or max(1, self.batch_size // self.processes)

    @property
    def accumulation_steps(self) -> int:
        """Most micro-batches that one process computes in a step."""
        return math.ceil(self.batch_size // self.micro_batch_size / self.processes)


def merge_training_settings(
    defaults: Mapping[str, Any], explicit: Mapping[str, Any]
) -> dict[str, Any]:
    """Return `defaults` with the `explicit` settings in their place.

    Explicit epochs are meant as they are: they also replace a default `min_steps`.

    >>> merge_training_settings({"epochs": 16, "min_steps": 1000}, {"epochs": 2})
    {'epochs': 2}
    """
    merged = {**defaults, **explicit}
    if "epochs" in explicit and "min_steps" not in explicit:
        merged.pop("min_steps", None)
    return merged
