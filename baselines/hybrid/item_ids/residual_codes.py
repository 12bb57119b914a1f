"""Residual quantisation: an item's vector as a sum of centres, one a level, and its codes as id.

A vector's code at a level is the number of the centre nearest to what the levels before leave over.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from baselines.hybrid.item_ids.kmeans import fit_centres, nearest, squared_distances
from benchkit.errors import ConfigError


@dataclass(frozen=True)
class ResidualQuantiser:
    """Centres of each level, [k_i, d] each."""

    levels: Sequence[NDArray[np.float64]]

    def encode(self, points: NDArray[np.floating]) -> NDArray[np.int64]:
        """Return [n, levels] codes: at each level that of the nearest centre."""
        rest, codes = points.astype(np.float64), []
        for centres in self.levels:
            codes.append(nearest(rest, centres))
            rest = rest - centres[codes[-1]]
        return np.stack(codes, axis=1)

    def decode(self, codes: NDArray[np.integer]) -> NDArray[np.float64]:
        """Return [n, d] sums of the centres of codes [n, levels]."""
        parts = [centres[codes[:, level]] for level, centres in enumerate(self.levels)]
        total: NDArray[np.float64] = np.sum(parts, axis=0)
        return total


def fit_quantiser(
    points: NDArray[np.floating], levels: int, codes: int, rng: np.random.Generator
) -> ResidualQuantiser:
    """Fit the centres of each level by k-means on what the levels before leave over.

    Reference:
        Chen et al., Approximate nearest neighbor search by residual vector quantization, 2010.
    """
    rest, centres = points.astype(np.float64), []
    for _ in range(levels):
        centres.append(fit_centres(rest, codes, rng))
        rest = rest - centres[-1][nearest(rest, centres[-1])]
    return ResidualQuantiser(centres)


def unique_codes(
    points: NDArray[np.floating], quantiser: ResidualQuantiser, codes: int
) -> NDArray[np.int64]:
    """Return [n, levels] codes, no two rows equal.

    They are the nearest centres, except where more items share a beginning than the levels that
    follow can tell apart: then the items nearest to a centre keep it, and others take the next.
    A level may have fewer centres than codes; the other codes stand for no centre, and are taken
    last.

    Args:
        points: [n, d].
        quantiser: Its levels.
        codes: Codes of a level.

    Raises:
        ConfigError: There are more points than ids.
    """
    levels = len(quantiser.levels)
    check_code_space(len(points), levels, codes)
    table = np.zeros((len(points), levels), dtype=np.int64)
    todo = [(np.arange(len(points)), points.astype(np.float64), 0)]
    while todo:
        members, rest, level = todo.pop()
        centres = quantiser.levels[level]
        taken = _assign(rest, centres, codes, codes ** (levels - level - 1))
        table[members, level] = taken
        if level + 1 == levels:
            continue
        for code in np.unique(taken).tolist():
            inside = taken == code
            left = rest[inside] - (centres[code] if code < len(centres) else 0.0)
            todo.append((members[inside], left, level + 1))
    return table


def check_code_space(items: int, levels: int, codes: int) -> None:
    """Raise ConfigError if there are more items than ids."""
    if codes**levels < items:
        raise ConfigError(
            f"{items} items are more than ids of {levels} levels with {codes} codes can tell apart"
            f" ({codes**levels})",
            "raise codes or levels",
        )


def _assign(
    points: NDArray[np.float64], centres: NDArray[np.float64], codes: int, room: int
) -> NDArray[np.int64]:
    """Return [n] the nearest centre that has room, for the closest pairs first."""
    label = nearest(points, centres)
    if np.bincount(label).max() <= room:
        return label
    distance = np.full((len(points), codes), np.inf)
    distance[:, : len(centres)] = squared_distances(points, centres)
    label = np.full(len(points), -1, dtype=np.int64)
    free = np.full(codes, room)
    for place in np.argsort(distance, axis=None, kind="stable").tolist():
        row, code = divmod(place, codes)
        if label[row] < 0 and free[code] > 0:
            label[row] = code
            free[code] -= 1
    return label
