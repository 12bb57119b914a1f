"""Curves with 95 % intervals: the same points on the x axis, a line a method."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchkit.report.core.results import Cell
from benchkit.report.plots.base import SeriesStyle, error_bar_lengths
from benchkit.report.plots.text_fitting import escape_legend_names, shorten_names

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_BEHIND = "#BDBDBD"  # seen beside the grid, and paler than any curve with a name
_APART = 4.0  # points between the error bars of one x
_SPREAD = 20.0  # points from the first to the last at most


@dataclass(frozen=True)
class Curve:
    """cells: one for each x; None where there is no result. dotted: for each step from one x to the
    next, whether it leads to a place that the scale of the axis does not have; empty for none.
    """

    name: str
    x: tuple[float, ...]
    cells: tuple[Cell | None, ...]
    dotted: tuple[bool, ...] = ()


def draw_curves(axes: "Axes", curves: Sequence[Curve], looks: Sequence[SeriesStyle]) -> None:
    """Lines with error bars moved apart so that they can be told, and a legend beside them.

    A line is not drawn over a missing result.
    """
    from matplotlib.transforms import ScaledTranslation

    step = min(_APART, _SPREAD / max(1, len(curves) - 1))
    figure = axes.get_figure(root=True)
    assert figure is not None  # noqa: S101
    handles = []
    for k, (curve, look) in enumerate(zip(curves, looks, strict=True)):
        _scale(axes, curve)
        right = (k - (len(curves) - 1) / 2) * step / 72
        moved = axes.transData + ScaledTranslation(right, 0, figure.dpi_scale_trans)
        there = [(x, c) for x, c in zip(curve.x, curve.cells, strict=True) if c is not None]
        cells = [c for _, c in there]
        handles.append(
            axes.errorbar(
                [x for x, _ in there], [c.mean for c in cells], yerr=error_bar_lengths(cells), linestyle="",
                marker=look.marker, markersize=5, color=look.colour, elinewidth=1.1, capsize=2,
                transform=moved,
            )
        )  # fmt: skip
        for i in range(len(curve.x) - 1):
            one, two = curve.cells[i], curve.cells[i + 1]
            if one is not None and two is not None:
                dash = ":" if curve.dotted and curve.dotted[i] else look.line_style
                axes.plot(curve.x[i : i + 2], [one.mean, two.mean], color=look.colour,
                          linewidth=1.5, linestyle=dash, transform=moved)  # fmt: skip
    names = escape_legend_names(shorten_names([curve.name for curve in curves], 26))
    axes.legend(handles, names, loc="upper left", bbox_to_anchor=(1.01, 1.0), borderaxespad=0)


def draw_background_curves(axes: "Axes", curves: Sequence[Curve]) -> None:
    """The other methods, grey and without a name."""
    for curve in curves:
        y = [float("nan") if c is None else c.mean for c in curve.cells]
        axes.plot(curve.x, y, color=_BEHIND, linewidth=1.2, zorder=1)


def _scale(axes: "Axes", curve: Curve) -> None:
    """Make room for a curve: axes take no notice of what is moved apart."""
    for x, cell in zip(curve.x, curve.cells, strict=True):
        if cell is not None:
            (below,), (above,) = error_bar_lengths([cell])
            axes.update_datalim([(x, cell.mean - below), (x, cell.mean + above)])
    axes.autoscale_view()
