"""Observations that belong together: the cases of one user are not independent of each other.

The sampling unit is then the user. Means stay means over cases, which are ratios of two sums over
users, of values and of cases; whatever says how certain a mean is counts users. Where every user
has one case there are no `Clusters`, and functions that take them compute as without.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchkit.stats.arrays import Floats, Ints


@dataclass(frozen=True, eq=False)
class Clusters:
    """Which of n observations belong together."""

    index: Ints
    """[n] cluster of each observation, numbered from 0."""
    sizes: Ints
    """[clusters] observations of each."""

    def __len__(self) -> int:
        return len(self.sizes)

    def sum(self, values: Floats) -> Floats:
        """Return [..., clusters] the sums of values [..., n] over the observations of a cluster."""
        x = np.asarray(values, dtype=np.float64)
        rows = x.reshape(-1, x.shape[-1])
        sums = [np.bincount(self.index, row, len(self)) for row in rows]
        return np.array(sums, dtype=np.float64).reshape(*x.shape[:-1], len(self))

    def mean(self, values: Floats) -> Floats:
        """Return [..., clusters] the means of values [..., n] within each cluster."""
        means: Floats = self.sum(values) / self.sizes
        return means

    def linearize(self, values: Floats) -> Floats:
        """Return [..., clusters] values whose mean is the mean of values [..., n].

        z_c = m + (clusters / n) (sum_c - m size_c), m the mean over all n: a mean over clusters to
        first order, with the variance of the ratio. Clusters of equal size have their own means.

        Reference: Cochran (1977), Sampling Techniques, 2.11 and 6.

        >>> find_clusters("aabc").linearize(np.array([1.0, 0.0, 1.0, 0.0])).tolist()
        [0.5, 0.875, 0.125]
        """
        x = np.asarray(values, dtype=np.float64)
        mean = x.mean(axis=-1, keepdims=True)
        share = len(self) / len(self.index)
        linear: Floats = mean + share * (self.sum(x) - mean * self.sizes)
        return linear


def find_clusters(labels: Sequence[Any] | NDArray[Any]) -> Clusters | None:
    """Return the clusters of observations with equal `labels` [n]; None where all are distinct.

    >>> find_clusters(["u1", "u2", "u1"]).sizes.tolist(), find_clusters(["u1", "u2"])
    ([2, 1], None)
    """
    array = np.asarray(list(labels) if isinstance(labels, str) else labels)
    _, index, sizes = np.unique(array, return_inverse=True, return_counts=True)
    return Clusters(index, sizes) if len(sizes) < len(array) else None


def count_clusters(clusters: Clusters | None, n: int) -> int:
    """Return how many independent units n observations are."""
    return n if clusters is None else len(clusters)
