"""Scatter plots of methods with their names and the Pareto front."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from benchkit.report.core.cell import Cell
from benchkit.report.plots.base import SeriesStyle, error_bar_lengths
from benchkit.report.plots.label_placement import Box, LabelPosition, place_labels
from benchkit.report.plots.style import GREY
from benchkit.report.plots.text_fitting import (
    add_legend_above,
    add_note,
    add_title,
    join_names,
    shorten_names,
    text_width,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_FONT_SIZE = 7.5  # points
_MARKER = 6.0  # points across
_FAR = 14.0  # points; a label farther away has a leader
_FRONT: dict[str, Any] = {"color": "#333333", "linewidth": 1.0, "linestyle": (0, (2, 2))}


@dataclass(frozen=True)
class Point:
    """One method."""

    label: str
    family: str
    x: float
    cell: Cell
    """The metric on the y axis."""
    x_cell: Cell | None = None
    """The metric on the x axis; None for a cost."""


@dataclass(frozen=True)
class XAxis:
    """What the x axis shows."""

    title: str
    unit: str = ""
    """Unit of the ticks."""
    cost: bool = False
    """Whether less is better; costs have a logarithmic scale."""


def pareto_front(points: Sequence[Point], cost: bool) -> list[int]:
    """Return the indices, by x, of points that no other matches in both axes and beats in one.

    cost: whether less is better in x; in y more is always better.
    """
    sign = -1 if cost else 1
    worth = [(sign * point.x, point.cell.mean) for point in points]
    best = [
        place
        for place, (x, y) in enumerate(worth)
        if not any(a >= x and b >= y and (a > x or b > y) for a, b in worth)
    ]
    return sorted(best, key=lambda place: (points[place].x, points[place].cell.mean))


def draw_scatter(
    figure: "Figure",
    points: Sequence[Point],
    kind: XAxis,
    metric: str,
    head: str,
    text: Sequence[str],
    styles: Mapping[str, SeriesStyle],
) -> None:
    """Draw every method with its intervals; names without room are listed under the plot."""
    axes = figure.subplots()
    best = pareto_front(points, kind.cost)
    handles = {p.family: _draw(axes, p, styles[p.family]) for p in points}
    line = axes.step([points[i].x for i in best], [points[i].cell.mean for i in best],
                     where="post" if kind.cost else "pre", zorder=1.5, **_FRONT)[0]  # fmt: skip
    if kind.cost:
        _log_scale(axes, [point.x for point in points], kind.unit)
    axes.margins(0.09)
    axes.set(xlabel=kind.title, ylabel=metric)
    names = [*shorten_names(list(handles)), "Pareto front"]
    add_legend_above(axes, [*handles.values(), line], names, figure.get_figwidth() - 0.9)
    add_title(figure, head)
    _name(figure, axes, points, best, text)


def _draw(axes: "Axes", point: Point, style: SeriesStyle) -> Any:
    """Draw a point; its intervals are pale so that names stay legible."""
    axes.errorbar([point.x], [point.cell.mean], yerr=error_bar_lengths([point.cell]),
                  xerr=error_bar_lengths([point.x_cell]) if point.x_cell else None,
                  ecolor=style.colour, linestyle="", elinewidth=1, alpha=0.35,
                  zorder=1)  # fmt: skip
    return axes.plot([point.x], [point.cell.mean], color=style.colour, marker=style.marker,
                     markersize=_MARKER, linestyle="", zorder=3)[0]  # fmt: skip


def _log_scale(axes: "Axes", values: Sequence[float], unit: str) -> None:
    """Set ticks such as '10 ms'; below two decades also at 2 and 5."""
    from matplotlib.ticker import EngFormatter, LogLocator, NullFormatter

    axes.set_xscale("log")
    narrow = max(values) / min(values) < 100
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if narrow else (1,), numticks=12))
    axes.xaxis.set_major_formatter(EngFormatter(unit))
    axes.xaxis.set_minor_formatter(NullFormatter())


def _name(
    figure: "Figure",
    axes: "Axes",
    points: Sequence[Point],
    best: Sequence[int],
    text: Sequence[str],
) -> None:
    """Place the names, those of the front first.

    Names without room go into the note; a longer note moves all points, so placement is repeated.
    """
    names = shorten_names([point.label for point in points], 28)
    rest = sorted(set(range(len(points))) - set(best), key=lambda i: -points[i].cell.mean)
    order, outside = [*best, *rest], set[int]()
    while True:
        unnamed = f"Not named in the plot: {join_names([names[i] for i in sorted(outside)])}."
        add_note(figure, *text, unnamed if outside else "")
        figure.draw_without_rendering()  # computes the final position of the axes
        within = [i for i in order if i not in outside]
        positions = _places(axes, points, names, within, best)
        failed = {i for i, place in zip(within, positions, strict=True) if place is None}
        if not failed:
            break
        outside |= failed
    figure.set_layout_engine("none")  # nothing may move after placement
    placed = [(i, place) for i, place in zip(within, positions, strict=True) if place is not None]
    for i, place in placed:
        _annotate(axes, points[i], names[i], place, i in best)
    _lead(axes, [(points[i], place.box) for i, place in placed if place.needs_leader])


def _places(
    axes: "Axes",
    points: Sequence[Point],
    names: Sequence[str],
    within: Sequence[int],
    best: Sequence[int],
) -> list[LabelPosition | None]:
    """Return the positions, in pixels, of the names of the points `within`."""
    figure = axes.get_figure(root=True)
    assert figure is not None  # noqa: S101
    pixels = figure.dpi / 72
    spot = {i: _pixel(axes, point.x, point.cell.mean) for i, point in enumerate(points)}
    order = [*within, *(i for i in spot if i not in within)]
    widths = [figure.dpi * text_width(names[i], _FONT_SIZE, _weight(i in best)) for i in within]
    sizes = [(width + 2 * pixels, 1.4 * _FONT_SIZE * pixels) for width in widths]
    inside = axes.get_window_extent()
    lines = [bar for i, point in enumerate(points) for bar in _bars(axes, point, spot[i])]
    for one, two in pairwise(best):
        (a, b), (c, d) = spot[one], spot[two]
        lines += [(a, b - 1, c, b + 1), (c - 1, min(b, d), c + 1, max(b, d))]
    return place_labels(
        [spot[i] for i in order],
        sizes,
        (inside.x0, inside.y0, inside.x1, inside.y1),
        _MARKER / 2 * pixels + 1,
        _FAR * pixels,
        lines,
    )


def _bars(axes: "Axes", point: Point, spot: tuple[float, float]) -> Iterator[Box]:
    """Yield the intervals of a point as thin boxes, in pixels."""
    (below,), (above,) = error_bar_lengths([point.cell])
    low, high = point.cell.mean - below, point.cell.mean + above
    yield spot[0] - 1, _pixel(axes, point.x, low)[1], spot[0] + 1, _pixel(axes, point.x, high)[1]
    if point.x_cell:
        (below,), (above,) = error_bar_lengths([point.x_cell])
        left, right = (
            _pixel(axes, x, point.cell.mean)[0] for x in (point.x - below, point.x + above)
        )
        yield left, spot[1] - 1, right, spot[1] + 1


def _annotate(axes: "Axes", point: Point, name: str, place: LabelPosition, bold: bool) -> None:
    """Write a name into its box, aligned to the side that is nearer to the point."""
    x, y, scale = _points_from(axes, point)
    left, bottom, right, top = place.box
    before = left + right < 2 * x
    axes.annotate(
        name, (point.x, point.cell.mean),
        xytext=(((right if before else left) - x) * scale, ((bottom + top) / 2 - y) * scale),
        textcoords="offset points", ha="right" if before else "left", va="center_baseline",
        fontsize=_FONT_SIZE, fontweight=_weight(bold), zorder=4,
        bbox={"facecolor": "white", "alpha": 0.7, "edgecolor": "none", "pad": 0.5},
    ).set_in_layout(False)  # fmt: skip


def _lead(axes: "Axes", named: Sequence[tuple[Point, Box]]) -> None:
    """Draw leaders from points to the nearest place of their names' boxes, below the markers."""
    from matplotlib.collections import LineCollection
    from matplotlib.transforms import Affine2D

    figure = axes.get_figure(root=True)
    assert figure is not None  # noqa: S101
    segments = []
    for point, (left, bottom, right, top) in named:
        x, y, scale = _points_from(axes, point)
        end = (min(max(x, left), right) - x) * scale, (min(max(y, bottom), top) - y) * scale
        segments.append([(0.0, 0.0), end])
    lines = LineCollection(
        segments, colors=GREY, linewidths=0.5, zorder=2,
        offsets=[(point.x, point.cell.mean) for point, _ in named],
        offset_transform=axes.transData,
    )  # fmt: skip
    lines.set_transform(Affine2D().scale(1 / 72) + figure.dpi_scale_trans)
    axes.add_collection(lines, autolim=False)


def _points_from(axes: "Axes", point: Point) -> tuple[float, float, float]:
    """Return the pixel position of a point, and how many typographic points a pixel has."""
    figure = axes.get_figure(root=True)
    assert figure is not None  # noqa: S101
    return *_pixel(axes, point.x, point.cell.mean), 72 / figure.dpi


def _weight(bold: bool) -> str:
    return "bold" if bold else "normal"


def _pixel(axes: "Axes", x: float, y: float) -> tuple[float, float]:
    px, py = axes.transData.transform((x, y))
    return float(px), float(py)
