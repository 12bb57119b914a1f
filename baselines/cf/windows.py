"""Training windows of sequences: each next item of each user is a label once per epoch."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Windows(NamedTuple):
    """Runs of consecutive training rows; the input of row r has the item of row r + 1 as label."""

    start: NDArray[np.int64]
    """[n] first row."""
    size: NDArray[np.int64]
    """[n] number of inputs and of labels."""

    def rows(self) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """Return [n, longest] input rows, and which of them exist; the others are arbitrary."""
        offset = np.arange(self.size.max())
        valid = offset < self.size[:, None]
        return np.where(valid, self.start[:, None] + offset, 0), valid


def cut_windows(offsets: NDArray[np.int64], length: int, rng: np.random.Generator) -> Windows:
    """Cut sequences into windows that have each next item of each user as label once.

    A sequence that fits is one window. The first window of a longer sequence has a random size, so
    that the cuts are elsewhere each time.

    Args:
        offsets: [n_users + 1] as in `Interactions`.
        length: Most inputs of a window.
        rng: Draws the sizes.
    """
    has = np.flatnonzero(np.diff(offsets) > 1)
    labels = np.diff(offsets)[has] - 1
    first = np.where(labels > length, rng.integers(1, length + 1, len(has)), labels)
    count = 1 + -(-(labels - first) // length)
    user = np.repeat(np.arange(len(has)), count)
    nth = np.arange(len(user)) - np.repeat(np.cumsum(count) - count, count)
    begin = np.where(nth == 0, 0, first[user] + (nth - 1) * length)
    end = np.minimum(first[user] + nth * length, labels[user])
    return Windows(offsets[has][user] + begin, end - begin)


def batch_windows(windows: Windows, labels: int, rng: np.random.Generator) -> Iterator[Windows]:
    """Yield all windows in random batches, each of about `labels` labels and of similar sizes.

    Similar sizes need little padding; equal numbers of labels give each label the same weight.
    """
    order = np.lexsort((rng.random(len(windows.size)), windows.size))
    total = np.cumsum(windows.size[order])
    count = max(1, round(total[-1] / labels))
    edges = np.searchsorted(total, total[-1] * np.arange(1, count) / count)
    parts = [part for part in np.split(order, edges) if len(part)]
    for number in rng.permutation(len(parts)):
        yield Windows(windows.start[parts[number]], windows.size[parts[number]])
