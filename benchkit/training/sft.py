"""Supervised fine-tuning: cross-entropy on the responses."""

import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchkit import io
from benchkit.errors import DataError
from benchkit.files.checksums import discard_damaged
from benchkit.files.shared_lock import lock_shared_result
from benchkit.fingerprint import hash_json, package_versions
from benchkit.lm.timing import find_cost_damage, record_stage_cost
from benchkit.source_hash import hash_sources
from benchkit.training.core.config import TrainConfig
from benchkit.training.core.examples import Example, check_lengths, collate, hash_examples
from benchkit.training.core.training_context import training_context
from benchkit.types import RunContext

if TYPE_CHECKING:
    from collections.abc import Mapping

    import torch

PACKAGES = ("torch", "transformers", "peft", "accelerate")  # whose versions can change a result


@dataclass
class SFTObjective:
    """- sum_t w_t log p(y_t | x, y_<t) / sum_t w_t over the labels of a batch.

    With all weights 1 this is the mean over the batch's response tokens: each token counts the
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

    An interrupted training resumes from its last checkpoint in `run.scratch/<purpose>`; a finished
    one is read from there.

    Args:
        model: The model; its weights are changed.
        examples: What to train on.
        config: How to train.
        run: Seed, device, folders and progress.
        validate: Scores the model on validation cases, higher is better. It is called with the
            model in evaluation mode. The weights with the best score are returned, and
            `config.patience` can end training.
        validation: Examples whose mean loss selects the weights if there is no `validate`.

    Returns:
        The model on `run.device`, in evaluation mode. With `config.lora`, a PeftModel around it,
        whose adapter is also written to `run.scratch/<purpose>/adapter`.

    Raises:
        ConfigError: An example is too long, or a setting does not fit.
        DataError: There are no examples.
        MethodError: The loss is not a number any more.
    """
    if not examples:
        raise DataError("there are no examples to train on")
    check_lengths(examples, config.max_length)
    check_lengths(validation or (), config.max_length, "validation example")
    with training_context(run.device):
        from benchkit.training.train import train_on_objective

        objective = SFTObjective(config.train_on_prompt)
        return train_on_objective(model, examples, objective, config, run, validate, validation)


def load_or_train_sft(
    model: Any,
    examples: Sequence[Example],
    config: TrainConfig,
    run: RunContext,
    validation: Sequence[Example] | None = None,
) -> Any:
    """Fine-tune as `train_sft` does, once for all runs of a store that need the same result.

    Results are shared between runs with the same model weights, examples, settings, seed, device
    and threads. A second run that needs the result meanwhile waits for it; a damaged one is made
    again.
    """
    from benchkit.training.core.weights import WEIGHTS_FILE, is_intact, weights_hash

    key = hash_json(
        {
            "model": weights_hash(model),
            "examples": [hash_examples(examples), hash_examples(validation or ())],
            "config": config.model_dump(mode="json"),
            "run": [run.seed, run.device, run.threads],
            "packages": package_versions(PACKAGES),
            "code": hash_sources(Path(__file__)),
        }
    )
    folder = run.cache / "sft" / key
    with io.wrap_io_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    start = time.perf_counter()
    record = folder / "seconds.json"
    with lock_shared_result(folder / "lock", run.progress):
        result = folder / config.purpose
        if (result / WEIGHTS_FILE).exists() and (damage := find_cost_damage(record)):
            discard_damaged(result, damage, run.progress)
        if not is_intact(result / WEIGHTS_FILE, run.progress):
            record.unlink(missing_ok=True)
        with record_stage_cost(run, "sft", record, start):
            shared = replace(run, scratch=folder)
            return train_sft(model, examples, config, shared, validation=validation)
