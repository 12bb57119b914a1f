"""Settings of training a language model."""

import math
from pathlib import Path
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

Precision = Literal["float32", "bfloat16"]
LINEAR_MODULES = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")


class LoRAConfig(BaseModel):
    """Low-rank adapters (Hu et al., LoRA, ICLR 2022): W + (alpha / r) B A, B starting at zero.

    targets: names of the linear modules that get one; all seven of a Transformer block by default.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    r: PositiveInt = 8
    alpha: PositiveInt = 16
    dropout: float = Field(default=0.0, ge=0, lt=1)
    targets: tuple[str, ...] = Field(default=LINEAR_MODULES, min_length=1)


class TrainConfig(BaseModel):
    """How a language model is trained, whatever the loss.

    epochs: passes over the examples; may be a fraction. max_steps: ends training earlier.
    batch_size: examples a step. micro_batch: how many of them are in memory at once; it divides
    batch_size; None for all, or for a process's share of them. processes: how many share a step,
    each with a GPU of its own (or all on the CPU); the mathematics is the same, but sums are added
    in another order, and adapters' dropout draws other numbers. accelerate: a configuration file
    of Accelerate that says how they work together, e.g. by DeepSpeed; None exchanges gradients by
    DistributedDataParallel. schedule: of the learning rate after the warm-up;
    `cosine_with_min_lr` ends at `min_lr` of the highest. warmup: share of all steps.
    max_grad_norm: 0 for none. optimizer: `adamw`, or a name that transformers knows, e.g.
    `paged_adamw_8bit`. lora: None trains every parameter that requires a gradient.
    gradient_checkpointing: computes activations twice instead of keeping them. precision: in
    which the forward pass is computed; parameters keep their own. unit: of evaluate_every and
    checkpoint_every. patience: evaluations in a row without a better score after which training
    stops; None for never. max_length: tokens of an example; a longer one stops the run before it
    begins: prompts are cut by who builds them. train_on_prompt: the loss is on the prompt's
    tokens, too. group_by_length: batches of examples of like length, which saves padding and
    makes the order a little less random. purpose: what the random numbers are drawn for, and the
    name of the folder of checkpoints; two trainings of one run need two.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    epochs: PositiveFloat = 3
    max_steps: PositiveInt | None = None
    batch_size: PositiveInt = 32
    micro_batch: PositiveInt | None = None
    processes: PositiveInt = 1
    accelerate: Path | None = None
    learning_rate: PositiveFloat = 1e-4
    schedule: Literal["cosine", "linear", "constant", "cosine_with_min_lr"] = "cosine"
    min_lr: float = Field(default=0.1, ge=0, le=1)
    warmup: float = Field(default=0.05, ge=0, lt=1)
    weight_decay: NonNegativeFloat = 0.0
    max_grad_norm: NonNegativeFloat = 1.0
    optimizer: str = "adamw"
    lora: LoRAConfig | None = None
    gradient_checkpointing: bool = False
    precision: Precision = "float32"
    unit: Literal["epochs", "steps"] = "epochs"
    evaluate_every: PositiveFloat = 1.0
    checkpoint_every: PositiveFloat = 1.0
    patience: PositiveInt | None = None
    max_length: PositiveInt = 2048
    train_on_prompt: bool = False
    group_by_length: bool = False
    purpose: str = Field(default="sft", pattern=r"^[a-z0-9][a-z0-9._-]*$")

    @model_validator(mode="after")
    def _batches_divide(self) -> Self:
        if self.batch_size % self.micro_batch_size:
            raise ValueError(
                f"batch_size {self.batch_size} is no multiple of micro_batch {self.micro_batch_size}"
            )
        if self.micro_batch_size * self.processes > self.batch_size:
            raise ValueError(
                f"{self.processes} processes with micro_batch {self.micro_batch_size} have room for"
                f" {self.micro_batch_size * self.processes} examples, but batch_size is {self.batch_size}:"
                " some would never have work"
            )
        if self.accelerate is not None and self.processes == 1:
            raise ValueError("accelerate says how processes work together, but processes is 1")
        return self

    @property
    def micro_batch_size(self) -> int:
        """Examples in memory at once, of one process."""
        return self.micro_batch or max(1, self.batch_size // self.processes)

    @property
    def accumulation_steps(self) -> int:
        """Micro-batches of a step that a process computes one after another, at most."""
        return math.ceil(self.batch_size // self.micro_batch_size / self.processes)
