"""Plots of the share of each grade by method (C-APO, Figure 4)."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchkit.report.core.file_names import unique_stems
from benchkit.report.core.grade_results import GradeTable
from benchkit.report.incremental.memo import store_memo
from benchkit.report.plots.base import Plot
from benchkit.report.plots.plot_images import recall_images
from benchkit.report.plots.style import (
    FIGURE_WIDTH,
    GREY,
    format_percent,
    text_colour_on,
    write_images,
)
from benchkit.report.plots.text_fitting import (
    add_legend_above,
    add_title,
    shorten_names,
    text_height,
    wrap,
)
from benchkit.runs.store import Store

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# From orange to blue through grey: ordered for any colour vision, and in print.
_SCALE = ("#B35806", "#E08214", "#FDB863", "#D8D8D8", "#B2ABD2", "#6A8FC3", "#2166AC")
_BAR: dict[str, Any] = {"height": 0.72, "edgecolor": "white", "linewidth": 0.7}
_UNSCORED = {**_BAR, "color": "#FFFFFF", "edgecolor": GREY, "hatch": "////"}
_MIN_LABELLED_SHARE = 0.06  # a smaller bar has no room for its number


def write_grade_shares(
    tables: Sequence[GradeTable], folder: Path, store: Store | None = None
) -> list[Path]:
    """Draw stacked bars of each table with grades; return the paths of the SVG and PNG files.

    store: Where drawings are kept, so that each is made once.
    """
    memo = store_memo(store)
    drawn = [table for table in tables if any(row.shares for row in table.rows)]
    names = unique_stems(("grades", table.task, table.judge) for table in drawn)
    paths = []
    for table, name in zip(drawn, names, strict=True):
        bars = sum(bool(row.shares) for row in table.rows)
        height = 1.4 + 0.34 * bars + text_height(_heading(table), FIGURE_WIDTH)
        shown = replace(table, comparisons=(), calibrations=(), caveats=())
        plot = Plot((name,), height, partial(draw_grade_shares, table=shown))
        paths += write_images(folder / name, recall_images(memo, plot))
    return paths


def draw_grade_shares(figure: "Figure", table: GradeTable) -> None:
    """Draw a bar for each method, from the lowest grade to the highest, then unscored answers."""
    from matplotlib.colors import LinearSegmentedColormap

    axes = figure.subplots()
    scale = LinearSegmentedColormap.from_list("grades", _SCALE)
    rows = [row for row in table.rows if row.shares]
    levels = sorted({level for row in rows for level in row.shares})
    places, left = range(len(rows)), [0.0] * len(rows)
    handles: list[Any] = []
    for rank, level in enumerate(levels):
        widths = [row.shares.get(level, 0.0) for row in rows]
        colour = scale(rank / max(1, len(levels) - 1))
        handles.append(axes.barh(places, widths, left=left, color=[colour], **_BAR))
        for y, (width, start) in enumerate(zip(widths, left, strict=True)):
            if width >= _MIN_LABELLED_SHARE:
                axes.text(start + width / 2, y, format_percent(width), ha="center", va="center",
                          fontsize=7.5, color=text_colour_on(colour))  # fmt: skip
        left = [start + width for start, width in zip(left, widths, strict=True)]
    names = [f"{level:.3g}" for level in levels]
    if any(value < 1 - 1e-9 for value in left):
        handles.append(axes.barh(places, [1 - value for value in left], left=left, **_UNSCORED))
        names.append("unscored")
    axes.set_yticks(places, shorten_names([row.label for row in rows]))
    axes.invert_yaxis()
    axes.set_xlim(0, 1)
    axes.grid(visible=False)
    axes.spines["left"].set_visible(False)
    axes.tick_params(left=False)
    axes.xaxis.set_major_formatter(format_percent)
    axes.set_xlabel(
        wrap(f"share of the answers, by {table.main_criterion}", FIGURE_WIDTH / 2, 9, lines=2)
    )
    add_legend_above(axes, handles, names, FIGURE_WIDTH / 2)
    add_title(figure, _heading(table))


def _heading(table: GradeTable) -> str:
    task, judge = (shorten_names([name], 60)[0] for name in (table.task, table.judge_title))
    return f"{task}: grades by {judge}"
