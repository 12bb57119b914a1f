"""k-means, and trees of clusters."""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from benchkit.errors import ConfigError

_ITERATIONS = 50
_ROWS = 4096  # distances in memory at once


def squared_distances(
    points: NDArray[np.floating], centres: NDArray[np.floating]
) -> NDArray[np.float64]:
    """Return [n, k] squared distances of points [n, d] and centres [k, d]."""
    x, c = points.astype(np.float64), centres.astype(np.float64)
    table = (x * x).sum(axis=1)[:, None] - 2 * x @ c.T + (c * c).sum(axis=1)
    distances: NDArray[np.float64] = np.maximum(table, 0.0)
    return distances


def nearest(points: NDArray[np.floating], centres: NDArray[np.floating]) -> NDArray[np.int64]:
    """Return [n] the number of the nearest centre of each point; the first of equals."""
    blocks = [
        squared_distances(points[start : start + _ROWS], centres).argmin(axis=1)
        for start in range(0, len(points), _ROWS)
    ]
    return np.concatenate(blocks) if blocks else np.empty(0, dtype=np.int64)


def fit_centres(
    points: NDArray[np.floating], k: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Return at most k centres [k, d] by k-means, started as in k-means++.

    There are fewer where the points have fewer than k different values; then the centres are
    these values.

    Reference:
        Arthur and Vassilvitskii, k-means++, SODA 2007.
    """
    x = points.astype(np.float64)
    different = np.unique(x, axis=0)
    if len(different) <= k:
        return different
    centres = x[[int(rng.integers(len(x)))]]
    closest = squared_distances(x, centres)[:, 0]
    for _ in range(k - 1):
        row = int(rng.choice(len(x), p=closest / closest.sum()))
        centres = np.concatenate([centres, x[[row]]])
        closest = np.minimum(closest, squared_distances(x, x[[row]])[:, 0])
    label = nearest(x, centres)
    for _ in range(_ITERATIONS):
        size = np.bincount(label, minlength=k)
        total = np.zeros_like(centres)
        np.add.at(total, label, x)
        centres = np.where(size[:, None] > 0, total / np.maximum(size, 1)[:, None], centres)
        before, label = label, nearest(x, centres)
        if (label == before).all():
            break
    return centres


def cluster_paths(
    points: NDArray[np.floating], branch: int, depth: int, rng: np.random.Generator
) -> list[tuple[int, ...]]:
    """Return the place of each point in a tree of clusters: the branch taken at each level.

    A cluster of at most `branch` points has a branch for each. A branch ends where it holds one
    point, so that paths have from 1 to `depth` levels; at depth `depth`, points may share one.

    Reference:
        GRAM, section 4.1 (hierarchical semantics indexing).
    """
    paths: list[tuple[int, ...]] = [()] * len(points)
    todo = [np.arange(len(points))]
    while todo:
        members = todo.pop()
        for branch_number, rows in enumerate(_split(points, members, branch, rng)):
            for row in rows.tolist():
                paths[row] = (*paths[row], branch_number)
            if len(rows) > 1 and len(paths[rows[0]]) < depth:
                todo.append(rows)
    return paths


def check_id_space(items: int, branch: int, depth: int) -> None:
    """Raise ConfigError if a tree of clusters has fewer leaves than there are items."""
    if branch**depth < items:
        raise ConfigError(
            f"{items} items are more than ids of {depth} levels with {branch} branches can tell"
            f" apart ({branch**depth})",
            "raise branch or depth",
        )


def _split(
    points: NDArray[np.floating], members: NDArray[np.int64], branch: int, rng: np.random.Generator
) -> Iterator[NDArray[np.int64]]:
    """Yield the members of each branch of a cluster."""
    if len(members) <= branch:
        yield from (members[[place]] for place in range(len(members)))
        return
    label = nearest(points[members], fit_centres(points[members], branch, rng))
    yield from (members[label == number] for number in np.unique(label))


def prefixes(path: Sequence[int]) -> Iterator[tuple[int, ...]]:
    """Yield a path's beginnings, the shortest first.

    >>> list(prefixes((4, 2)))
    [(4,), (4, 2)]
    """
    for size in range(1, len(path) + 1):
        yield tuple(path[:size])
