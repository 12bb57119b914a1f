"""Supervised fine-tuning: cross-entropy on the responses."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from benchkit.errors import DataError
from benchkit.training.core.config import TrainConfig
from benchkit.training.core.examples import Example, check_lengths, collate
from benchkit.training.core.training_context import training_context
from benchkit.types import RunContext

if TYPE_CHECKING:
    from collections.abc import Mapping

    import torch


@dataclass
class SFTObjective:
    """- sum_t w_t log p(y_t | x, y_<t) / sum_t w_t over the labels of a batch.

    With all weights 1 it is the mean over the batch's response tokens, each of them counting the
    same, however long its response is.
    """

    train_on_prompt: bool = False
    step: int = 0
    module = None
    module_lr = 0.0

    def context(self, model: Any) -> AbstractContextManager[None]:  # noqa: ARG002
        return nullcontext()

    def size(self, example: Example) -> int:
        return len(example)

    def collate(self, examples: Sequence[Example]) -> "dict[str, torch.Tensor]":
        return collate(examples, self.train_on_prompt)

    def normalizer(self, batch: "Mapping[str, torch.Tensor]") -> float:
        return float(batch["weights"].double().sum())

    def loss(self, model: "torch.nn.Module", batch: "Mapping[str, torch.Tensor]") -> "torch.Tensor":
        from benchkit.training.core.token_loss import label_losses

        losses, weights = label_losses(model, batch)
        return (losses * weights).sum()


def train_sft(
    model: Any,
    examples: Sequence[Example],
    config: TrainConfig,
    run: RunContext,
    validate: Callable[[Any], float] | None = None,
    validation: Sequence[Example] | None = None,
) -> Any:
    """Train a causal language model of transformers on the responses of `examples`.

    validate: a score of the model, higher is better, on validation cases; it is called with the
    model in evaluation mode. validation: without `validate`, the mean loss on these decides.
    With either, the weights with the best score are those returned, and `patience` ends training.

    Returns the model on `run.device`, in evaluation mode: `model` itself, its weights changed, or,
    with `config.lora`, a PeftModel around it, whose adapter is then also in
    `run.scratch/<purpose>/adapter`. An interrupted training goes on from its last checkpoint in
    `run.scratch/<purpose>`; one that had ended is read from there.

    Raises ConfigError (an example is too long, a setting does not fit), DataError (no examples),
    MethodError (the loss is no number any more).
    """
    if not examples:
        raise DataError("there are no examples to train on")
    check_lengths(examples, config.max_length)
    check_lengths(validation or (), config.max_length, "validation example")
    with training_context(run.device):
        from benchkit.training.core.training_run import train_on_objective

        objective = SFTObjective(config.train_on_prompt)
        return train_on_objective(model, examples, objective, config, run, validate, validation)
