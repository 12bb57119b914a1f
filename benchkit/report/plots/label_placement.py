"""Where labels of points stand: near their own, on nothing else, and told from their neighbours."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Box = tuple[float, float, float, float]  # left, bottom, right, top
Coordinates = NDArray[np.float64]

_DIRECTIONS = 24
_RINGS = 14
_GAP = 3.0  # between a point and its label
# What it costs, in units of distance, to stand on a line, to be nearer to another point, and to
# have a leader through a point or a label, or to stand on a leader.
_CROSSED, _MISLEADING, _THROUGH = 20.0, 40.0, 1000.0
_SURE = 1.3  # a label without a leader is this much nearer to its own point than to any other


@dataclass(frozen=True)
class LabelPosition:
    """Where a label stands, and whether a leader has to show which point it is of."""

    box: Box
    needs_leader: bool


def place_labels(
    points: Sequence[tuple[float, float]],
    sizes: Sequence[tuple[float, float]],
    inside: Box,
    markers: float,
    far: float,
    lines: Sequence[Box] = (),
) -> list[LabelPosition | None]:
    """A place for the label of each point, or None where there is no room for it. Points without a
    size, at the end, have no label.

    Boxes are inside `inside`, and touch neither each other nor a point; earlier labels choose
    first. A label that is further than `far` from its point, or not clearly nearer to it than to
    another, has a leader: a straight line from the edge of the point to where the box is nearest,
    through another point or label only where no place is without. All in one unit, such as pixels.
    markers: half the size of a point. lines: what labels had better not cover.
    """
    spots = np.array(points, dtype=float).reshape(-1, 2)
    taken = np.column_stack([spots - markers, spots + markers])
    covered = np.array(lines, dtype=float).reshape(-1, 4)
    labels, leaders = np.empty((0, 4)), np.empty((0, 4))
    found: list[LabelPosition | None] = []
    for i, (width, height) in enumerate(sizes):
        own, others = spots[i], np.delete(spots, i, axis=0)
        boxes, distance = _candidates(own, width, height, markers)
        left, bottom, right, top = inside
        free = (
            (boxes[:, 0] >= left) & (boxes[:, 1] >= bottom)
            & (boxes[:, 2] <= right) & (boxes[:, 3] <= top)
            & ~_touch(boxes, taken).any(axis=1) & ~_touch(boxes, labels).any(axis=1)
        )  # fmt: skip
        boxes, distance = boxes[free], distance[free]
        if not len(boxes):
            found.append(None)
            continue
        nearest = np.clip(own, boxes[:, :2], boxes[:, 2:])
        reach = np.hypot(*(nearest - own).T)
        other = _distances(others, boxes).min(axis=1, initial=np.inf)
        leads = (reach > far) | (other <= _SURE * reach)
        edge = own + (nearest - own) * markers / reach[:, None]
        lines_to = np.hstack([edge, nearest])
        met = _near(lines_to, others, markers).sum(axis=1) + _through(lines_to, labels).sum(axis=1)
        cost = (
            distance
            + _CROSSED * _touch(boxes, covered).sum(axis=1)
            + _MISLEADING * (other < reach + markers)
            + _THROUGH * (leads * met + _through(leaders, boxes).sum(axis=0))
        )
        best = int(np.argmin(cost))
        labels = np.vstack([labels, boxes[best]])
        if leads[best]:
            leaders = np.vstack([leaders, lines_to[best]])
        left, bottom, right, top = boxes[best].tolist()
        found.append(LabelPosition((left, bottom, right, top), bool(leads[best])))
    return found


def _candidates(
    point: Coordinates, width: float, height: float, markers: float
) -> tuple[Coordinates, Coordinates]:
    """Boxes around a point, right of it first: [k, 4], and how far each is from it [k]."""
    angle = 2 * np.pi * np.arange(_DIRECTIONS) / _DIRECTIONS
    ring = markers + _GAP + height * 0.9 * np.arange(_RINGS)
    direction = np.column_stack([np.cos(angle), np.sin(angle)])
    size = np.array([width, height])
    # The nearest corner or edge of the box, not its centre, is as far as the ring.
    centre = (point + ring[:, None, None] * direction + direction * size / 2).reshape(-1, 2)
    distance = np.repeat(ring, _DIRECTIONS) + np.tile(0.5 * (1 - direction[:, 0]), _RINGS)
    return np.hstack([centre - size / 2, centre + size / 2]), distance


def _touch(boxes: Coordinates, others: Coordinates) -> NDArray[np.bool_]:
    """Which boxes [k, 4] overlap which others [m, 4]: [k, m]."""
    one, two = boxes[:, None, :], others[None, :, :]
    overlap: NDArray[np.bool_] = (
        (one[..., 0] < two[..., 2]) & (two[..., 0] < one[..., 2])
        & (one[..., 1] < two[..., 3]) & (two[..., 1] < one[..., 3])
    )  # fmt: skip
    return overlap


def _distances(points: Coordinates, boxes: Coordinates) -> Coordinates:
    """From each box [k, 4] to each point [m, 2]: [k, m]."""
    nearest = np.clip(points, boxes[:, None, :2], boxes[:, None, 2:])
    return np.asarray(np.linalg.norm(nearest - points, axis=-1))


def _near(lines: Coordinates, points: Coordinates, radius: float) -> NDArray[np.bool_]:
    """Which lines [k, 4], from one end to the other, come within `radius` of which points [m, 2]:
    [k, m]."""
    start, step = lines[:, None, :2], lines[:, None, 2:] - lines[:, None, :2]
    length = np.maximum((step**2).sum(axis=-1), 1e-12)
    part = np.clip(((points - start) * step).sum(axis=-1) / length, 0, 1)
    return np.asarray(np.linalg.norm(start + part[..., None] * step - points, axis=-1) < radius)


def _through(lines: Coordinates, boxes: Coordinates) -> NDArray[np.bool_]:
    """Which lines [k, 4] run through which boxes [m, 4]: [k, m]; touching is not enough."""
    start, step = lines[:, None, :2], lines[:, None, 2:] - lines[:, None, :2]
    step = np.where(step == 0, 1e-12, step)
    ends = (boxes[:, :2] - start) / step, (boxes[:, 2:] - start) / step
    enter, leave = np.minimum(*ends).max(axis=-1), np.maximum(*ends).min(axis=-1)
    return np.asarray((enter < leave) & (leave > 0) & (enter < 1))
