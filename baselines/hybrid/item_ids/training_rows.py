"""Each next item of each training history as an example, and a user's newest items as input."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchkit.types import Interactions


class TrainingRow(NamedTuple):
    """Rows of the training interactions: the history `start:row`, and the item that follows."""

    start: int
    row: int


def next_item_examples(rows: Interactions, history: int) -> list[TrainingRow]:
    """Return an example for each interaction but the user's first, with at most `history` items."""
    examples: list[TrainingRow] = []
    for first, end in zip(rows.offsets[:-1].tolist(), rows.offsets[1:].tolist(), strict=True):
        examples += (TrainingRow(max(first, row - history), row) for row in range(first + 1, end))
    return examples


def example_histories(
    examples: Sequence[TrainingRow], items: NDArray[np.int32]
) -> tuple[list[NDArray[np.int32]], NDArray[np.int64]]:
    """Return the item codes of each history, oldest first, and the codes of the next items."""
    histories = [items[example.start : example.row] for example in examples]
    target = np.array([items[example.row] for example in examples], dtype=np.int64)
    return histories, target
