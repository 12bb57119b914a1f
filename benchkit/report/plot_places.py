"""Where labels of points stand: near them, on nothing else."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Box = tuple[float, float, float, float]  # left, bottom, right, top

_DIRECTIONS = 16
_RINGS = 12
_GAP = 3.0  # between a point and its label
_CROSSED = 14.0  # what it costs to stand on a line, in units of distance


def places(
    points: Sequence[tuple[float, float]],
    sizes: Sequence[tuple[float, float]],
    inside: Box,
    markers: float,
    lines: Sequence[Box] = (),
) -> list[Box | None]:
    """A box for the label of each point, or None where there is no room for it. Points without a
    size, at the end, have no label.

    Boxes are inside `inside`, and touch neither each other nor a point; earlier labels choose
    first, and a near place counts most. All in one unit, such as pixels.
    markers: half the size of a point. lines: what labels had better not cover.
    """
    own = np.array(points, dtype=float).reshape(-1, 2)
    taken = np.column_stack([own - markers, own + markers])
    covered = np.array(lines, dtype=float).reshape(-1, 4)
    found: list[Box | None] = []
    for (x, y), (width, height) in zip(points, sizes, strict=False):
        boxes, distance = _candidates(x, y, width, height, markers)
        left, bottom, right, top = inside
        free = (
            (boxes[:, 0] >= left) & (boxes[:, 1] >= bottom)
            & (boxes[:, 2] <= right) & (boxes[:, 3] <= top)
            & ~_touch(boxes, taken).any(axis=1)
        )  # fmt: skip
        if not free.any():
            found.append(None)
            continue
        cost = distance + _CROSSED * _touch(boxes, covered).sum(axis=1)
        best = boxes[np.argmin(np.where(free, cost, np.inf))]
        taken = np.vstack([taken, best])
        found.append((float(best[0]), float(best[1]), float(best[2]), float(best[3])))
    return found


def _candidates(
    x: float, y: float, width: float, height: float, markers: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Boxes around a point, right of it first: [k, 4], and how far each is from it [k]."""
    angle = 2 * np.pi * np.arange(_DIRECTIONS) / _DIRECTIONS
    ring = markers + _GAP + height * 0.9 * np.arange(_RINGS)
    across, up = np.cos(angle), np.sin(angle)
    # The nearest corner or edge of the box, not its centre, is as far as the ring.
    centre_x = x + np.add.outer(ring, np.zeros(_DIRECTIONS)) * across + across * width / 2
    centre_y = y + np.add.outer(ring, np.zeros(_DIRECTIONS)) * up + up * height / 2
    boxes = np.stack(
        [centre_x - width / 2, centre_y - height / 2, centre_x + width / 2, centre_y + height / 2],
        axis=-1,
    ).reshape(-1, 4)
    distance = np.repeat(ring, _DIRECTIONS) + np.tile(0.5 * (1 - across), _RINGS)
    return boxes, distance


def _touch(boxes: NDArray[np.float64], others: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which boxes [k, 4] overlap which others [m, 4]: [k, m]."""
    one, two = boxes[:, None, :], others[None, :, :]
    overlap: NDArray[np.bool_] = (
        (one[..., 0] < two[..., 2]) & (two[..., 0] < one[..., 2])
        & (one[..., 1] < two[..., 3]) & (two[..., 1] < one[..., 3])
    )  # fmt: skip
    return overlap
