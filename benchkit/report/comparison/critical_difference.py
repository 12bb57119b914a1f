"""Critical-difference diagram (Demšar 2006, figure 1): mean ranks, and who cannot be told apart."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from benchkit.io import folder_name
from benchkit.report.comparison.paired_comparison import SuiteComparison
from benchkit.report.core.labels import metric_title
from benchkit.report.plots import style
from benchkit.report.plots.text_fitting import add_title, shorten_names, text_height, text_width
from benchkit.stats.friedman import rank_cliques

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_ROW, _BAR, _AXIS = 0.23, 0.13, 4.0  # inches: a method's line, a bar, the axis
_LETTERS = 8.0  # points


def write_critical_difference(comparison: SuiteComparison, folder: Path) -> list[Path]:
    """Write critical-difference-METRIC.svg and .png; nothing where there is no ranking.

    Raises ConfigError when matplotlib is not installed.
    """
    if comparison.ranking is None:
        return []
    groups = rank_cliques(comparison.ranking.ranks, comparison.ranking.critical_difference)
    margin = 0.35 + max(text_width(label, _LETTERS) for label in _labels(comparison))
    width = _AXIS + 2 * margin
    height = 1.1 + _BAR * len(groups) + _ROW * ((len(comparison.ranked_methods) + 1) // 2)
    return style.save_figure(
        folder / folder_name(f"critical-difference-{comparison.metric}"),
        height + 0.2 + text_height(_heading(comparison), width),
        partial(
            draw_critical_difference,
            comparison=comparison,
            groups=groups,
            margin=margin,
            height=height,
        ),
        width,
    )


def draw_critical_difference(
    canvas: "Figure",
    comparison: SuiteComparison,
    groups: Sequence[tuple[int, ...]],
    margin: float,
    height: float,
) -> None:
    """Draw the ranks, the best left; thick bars join methods that do not differ significantly.

    Args:
        canvas: The figure.
        comparison: The comparison with its ranking.
        groups: Methods by place that do not differ.
        margin: Inches beside the axis of ranks.
        height: Inches of the whole drawing.
    """
    ranking = comparison.ranking
    assert ranking is not None  # noqa: S101
    ranks, k = ranking.ranks, len(comparison.ranked_methods)
    inch = (k - 1) / _AXIS  # ranks in an inch
    left, right = 1 - 0.2 * inch, k + 0.2 * inch
    axes = canvas.subplots()
    axes.axis("off")
    axes.set_xlim(1 - margin * inch, k + margin * inch)
    axes.set_ylim(0.8 - height, 0.8)
    add_title(canvas, _heading(comparison))
    axes.plot([1, k], [0, 0], color="black", linewidth=1)
    for tick in range(1, k + 1, -(-k // 12)):
        axes.plot([tick, tick], [0, 0.06], color="black", linewidth=1)
        _text(axes, tick, 0.08, str(tick), "center", "bottom")
    half, start, labels = (k + 1) // 2, _BAR * len(groups) + 0.2, _labels(comparison)
    for place, i in enumerate(np.argsort(ranks, kind="stable")):
        first = place < half
        level = -start - _ROW * (place if first else k - 1 - place)
        edge = left if first else right
        axes.plot([ranks[i], ranks[i], edge], [0, level, level], color=style.GREY, linewidth=0.8)
        _text(axes, edge, level, labels[i], "right" if first else "left", "center")
    for place, group in enumerate(groups, start=1):
        ends = [ranks[group[0]] - 0.04 * inch, ranks[group[-1]] + 0.04 * inch]
        axes.plot(ends, [-_BAR * place] * 2, color=style.SERIES_COLOURS[0], linewidth=3.5)
    axes.plot(
        [1, 1 + ranking.critical_difference],
        [0.42, 0.42],
        color=style.SERIES_COLOURS[1],
        linewidth=2,
    )
    _text(
        axes,
        1,
        0.47,
        f"critical difference {ranking.critical_difference:.2f} (5 %)",
        "left",
        "bottom",
    )


def _heading(comparison: SuiteComparison) -> str:
    ranking = comparison.ranking
    assert ranking is not None  # noqa: S101
    metric = metric_title(comparison.metric)
    return f"Mean ranks in {metric} over {ranking.n} tasks, {comparison.protocol}"


def _labels(comparison: SuiteComparison) -> list[str]:
    """Return labels such as ' c-apo (1.50) '."""
    ranking = comparison.ranking
    assert ranking is not None  # noqa: S101
    names = shorten_names(comparison.ranked_methods)
    return [f" {name} ({rank:.2f}) " for name, rank in zip(names, ranking.ranks, strict=True)]


def _text(axes: "Axes", x: float, y: float, text: str, ha: str, va: str) -> None:
    """Place a text for which the layout has reserved room."""
    axes.text(x, y, text, ha=ha, va=va, fontsize=_LETTERS).set_in_layout(False)
