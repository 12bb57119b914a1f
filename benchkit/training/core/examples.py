"""Examples of supervised fine-tuning, and the tensors made from a batch of them."""

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from benchkit.errors import ConfigError, DataError

if TYPE_CHECKING:
    import torch

IGNORE_INDEX = -100  # what PyTorch's cross-entropy takes for "no label"


@dataclass(frozen=True, slots=True)
class Example:
    """A prompt and the response to learn, as token ids that were tokenised separately.

    Raises:
        DataError: There is nothing to predict, or a weight is negative, not finite or all zero.
    """

    prompt: tuple[int, ...]
    response: tuple[int, ...]
    weight: float = 1.0
    """Of each token of the example in the loss."""
    response_weights: tuple[float, ...] | None = None
    """[len(response)] factors on `weight`, for example for an item's tokens; None for 1 each."""
    key: str = ""
    """Names the example in messages."""

    def __post_init__(self) -> None:
        weights = self.response_weights
        if not self.response or len(self) < 2:
            raise DataError(f"example {self.key!r} has no token to predict")
        if not (math.isfinite(self.weight) and self.weight > 0):
            raise DataError(
                f"example {self.key!r} has the weight {self.weight}; it must be above 0"
            )
        if weights is None:
            return
        if len(weights) != len(self.response):
            counts = f"{len(weights)} weights for {len(self.response)} response tokens"
            raise DataError(f"example {self.key!r} has {counts}")
        usable = all(math.isfinite(w) and w >= 0 for w in weights)
        if not usable or not any(weights if self.prompt else weights[1:]):
            raise DataError(
                f"example {self.key!r} has response weights that are negative or all zero"
            )

    def __len__(self) -> int:
        return len(self.prompt) + len(self.response)


def check_lengths(examples: Sequence[Example], max_length: int, what: str = "example") -> None:
    """Raise ConfigError, naming the first example that is longer than `max_length` tokens."""
    for number, example in enumerate(examples):
        if len(example) > max_length:
            name = f"{what} {number}" + (f" ({example.key})" if example.key else "")
            long = sum(len(other) > max_length for other in examples)
            raise ConfigError(
                f"{name} has {len(example)} tokens, {len(example.prompt)} of them its prompt, but "
                f"max_length is {max_length}; {long} of {len(examples)} are too long",
                "raise max_length, or shorten the prompts, for example by less history",
            )


def hash_examples(examples: Sequence[Any]) -> str:
    """Hash examples of any kind by their repr, into 32 hexadecimal digits."""
    text = hashlib.blake2b(digest_size=16)
    for example in examples:
        text.update(repr(example).encode())
    return text.hexdigest()


def collate(
    examples: Sequence[Example], train_on_prompt: bool = False, multiple: int = 8
) -> "dict[str, torch.Tensor]":
    """Build the tensors of a batch of B examples, padded on the right to T tokens.

    There is no attention mask: no token attends to anything right of it, so padding on the right
    changes nothing, and attention without a mask is faster.

    Args:
        examples: The examples of the batch.
        train_on_prompt: Include the prompt's tokens in the loss.
        multiple: T is a multiple of it.

    Returns:
        `input_ids` [B, T]; `labels` [B, T], the token that position t - 1 predicts, or -100;
        `weights` [B, T] float32 of the labels, 0 where there is none.
    """
    import torch

    length = math.ceil(max(map(len, examples)) / multiple) * multiple
    ids = np.zeros((len(examples), length), dtype=np.int64)
    weights = np.zeros((len(examples), length), dtype=np.float32)
    for row, example in enumerate(examples):
        start, end = len(example.prompt), len(example)
        ids[row, :start], ids[row, start:end] = example.prompt, example.response
        weights[row, 0 if train_on_prompt else start : end] = example.weight
        if example.response_weights is not None:
            weights[row, start:end] *= np.asarray(example.response_weights, dtype=np.float32)
    weights[:, 0] = 0  # nothing comes before the first token
    labels = np.where(weights > 0, ids, IGNORE_INDEX)
    arrays = {"input_ids": ids, "labels": labels, "weights": weights}
    return {name: torch.from_numpy(array) for name, array in arrays.items()}
