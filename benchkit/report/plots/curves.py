"""Curves with 95 % intervals, one line per method over the same x values."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchkit.report.core.cell import Cell
from benchkit.report.plots.base import SeriesStyle, error_bar_lengths
from benchkit.report.plots.text_fitting import escape_legend_names, shorten_names

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_BACKGROUND = "#BDBDBD"  # darker than the grid, paler than any named curve
_BAR_GAP = 4.0  # points between the error bars at one x
_MAX_SPREAD = 20.0  # points from the first error bar to the last


@dataclass(frozen=True)
class Curve:
    """One method's values along the x axis."""

    name: str
    x: tuple[float, ...]
    cells: tuple[Cell | None, ...]
    """One for each x; None where there is no result."""
    dotted: tuple[bool, ...] = ()
    """For each step from one x to the next, whether it leads off the scale; empty for none."""


def draw_curves(axes: "Axes", curves: Sequence[Curve], styles: Sequence[SeriesStyle]) -> None:
    """Draw lines, error bars side by side, and a legend; a missing result interrupts its line."""
    from matplotlib.transforms import ScaledTranslation

    step = min(_BAR_GAP, _MAX_SPREAD / max(1, len(curves) - 1))
    figure = axes.get_figure(root=True)
    assert figure is not None  # noqa: S101
    handles = []
    for k, (curve, style) in enumerate(zip(curves, styles, strict=True)):
        _scale(axes, curve)
        right = (k - (len(curves) - 1) / 2) * step / 72
        transform = axes.transData + ScaledTranslation(right, 0, figure.dpi_scale_trans)
        points = [(x, c) for x, c in zip(curve.x, curve.cells, strict=True) if c is not None]
        cells = [c for _, c in points]
        handles.append(
            axes.errorbar(
                [x for x, _ in points], [c.mean for c in cells], yerr=error_bar_lengths(cells),
                linestyle="", marker=style.marker, markersize=5, color=style.colour,
                elinewidth=1.1, capsize=2, transform=transform,
            )
        )  # fmt: skip
        for i in range(len(curve.x) - 1):
            one, two = curve.cells[i], curve.cells[i + 1]
            if one is not None and two is not None:
                dash = ":" if curve.dotted and curve.dotted[i] else style.line_style
                axes.plot(curve.x[i : i + 2], [one.mean, two.mean], color=style.colour,
                          linewidth=1.5, linestyle=dash, transform=transform)  # fmt: skip
    names = escape_legend_names(shorten_names([curve.name for curve in curves], 26))
    axes.legend(handles, names, loc="upper left", bbox_to_anchor=(1.01, 1.0), borderaxespad=0)


def draw_background_curves(axes: "Axes", curves: Sequence[Curve]) -> None:
    """Draw the curves of other methods in grey and without names."""
    for curve in curves:
        y = [float("nan") if c is None else c.mean for c in curve.cells]
        axes.plot(curve.x, y, color=_BACKGROUND, linewidth=1.2, zorder=1)


def _scale(axes: "Axes", curve: Curve) -> None:
    """Make room for a curve, because the axes ignore artists with a shifted transform."""
    for x, cell in zip(curve.x, curve.cells, strict=True):
        if cell is not None:
            (below,), (above,) = error_bar_lengths([cell])
            axes.update_datalim([(x, cell.mean - below), (x, cell.mean + above)])
    axes.autoscale_view()
