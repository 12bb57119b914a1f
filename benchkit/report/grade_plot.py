"""The share of each grade, method by method (C-APO, Figure 4)."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from benchkit.report.figure import GREY, below, write
from benchkit.report.grades_model import GradeTable
from benchkit.store import slug

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# From orange to blue through grey: the order is seen with any colour vision, and in print.
_SCALE = ("#B35806", "#E08214", "#FDB863", "#D8D8D8", "#B2ABD2", "#6A8FC3", "#2166AC")
_UNSCORED = "#FFFFFF"


def write_grade_shares(tables: Sequence[GradeTable], folder: Path) -> list[Path]:
    """Stacked bars of each table with grades; returns the paths of the SVG and PNG files."""
    paths = []
    for table in tables:
        graded = [row for row in table.rows if row.shares]
        if graded:
            height = 1.5 + 0.34 * len(graded)
            name = f"grades-{slug(table.task)}-{slug(table.judge)}"
            paths += write(folder / name, height, partial(grade_shares, table=table))
    return paths


def grade_shares(figure: "Figure", table: GradeTable) -> None:
    """One bar a method, from the lowest grade to the highest, then what is unscored."""
    axes = figure.subplots()
    rows = [row for row in table.rows if row.shares]
    levels = sorted({level for row in rows for level in row.shares})
    place = {level: i / max(1, len(levels) - 1) for i, level in enumerate(levels)}
    labels = [row.label for row in rows]
    left = [0.0] * len(rows)
    for level in levels:
        widths = [row.shares.get(level, 0.0) for row in rows]
        colour = _SCALE[round(place[level] * (len(_SCALE) - 1))]
        axes.barh(labels, widths, left=left, color=colour, height=0.72, label=f"{level:g}")
        for y, (width, start) in enumerate(zip(widths, left, strict=True)):
            if width >= 0.06:
                light = colour not in (_SCALE[0], _SCALE[-1])
                axes.text(start + width / 2, y, f"{100 * width:.0f} %", ha="center", va="center",
                          fontsize=7.5, color="#222222" if light else "white")  # fmt: skip
        left = [start + width for start, width in zip(left, widths, strict=True)]
    if any(value < 1 - 1e-9 for value in left):
        axes.barh(labels, [1 - value for value in left], left=left, color=_UNSCORED, height=0.72,
                  edgecolor=GREY, linewidth=0.6, hatch="////", label="unscored")  # fmt: skip
    axes.invert_yaxis()
    axes.set_xlim(0, 1)
    axes.grid(visible=False)
    axes.spines["left"].set_visible(False)
    axes.tick_params(left=False)
    axes.xaxis.set_major_formatter(lambda value, _: f"{100 * value:.0f} %")
    axes.set_xlabel(f"share of the answers, by {table.main}")
    axes.set_title(f"{table.task}: grades by {table.judge}")
    below(axes, 8)
