"""Training windows of sequences: every next item of every user is a label once in an epoch."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Windows(NamedTuple):
    """Runs of consecutive training rows. The input of row r has the item of row r + 1 as label.

    start: [n] first row. size: [n] number of inputs, which is that of the labels.
    """

    start: NDArray[np.int64]
    size: NDArray[np.int64]

    def rows(self) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """[n, longest] input rows, and where there is one (elsewhere the row means nothing)."""
        place = np.arange(self.size.max())
        valid = place < self.size[:, None]
        return np.where(valid, self.start[:, None] + place, 0), valid


def cut_windows(offsets: NDArray[np.int64], length: int, rng: np.random.Generator) -> Windows:
    """Windows of at most `length` inputs that have each next item of each user as label once.

    offsets: [n_users + 1] as in `Interactions`. A sequence that fits is one window; the first
    window of one that does not has a random size, so that the cuts fall elsewhere each time.
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
    """All windows in random order of batches, each of about `labels` labels and of like sizes.

    Like sizes leave little padding; equal numbers of labels give each label an equal say.
    """
    order = np.lexsort((rng.random(len(windows.size)), windows.size))
    total = np.cumsum(windows.size[order])
    count = max(1, round(total[-1] / labels))
    edges = np.searchsorted(total, total[-1] * np.arange(1, count) / count)
    parts = [part for part in np.split(order, edges) if len(part)]
    for place in rng.permutation(len(parts)):
        yield Windows(windows.start[parts[place]], windows.size[parts[place]])
