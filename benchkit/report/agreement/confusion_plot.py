"""Plots of confusion matrices with their marginals (C-APO, Figures 8 and 10)."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from benchkit.report.agreement.files import confusion_file_names
from benchkit.report.agreement.measurement import RaterPair
from benchkit.report.agreement.tables import format_estimate
from benchkit.report.plots.style import GREY, SERIES_COLOURS, save_figure, text_colour_on
from benchkit.report.plots.text_fitting import add_title, shorten_names, wrap

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MATRIX_WIDTH = 0.55  # of the figure's width, about


def write_confusions(pairs: Sequence[RaterPair], folder: Path) -> list[Path]:
    """Draw each pair that has a confusion matrix; return the paths of the SVG and PNG files.

    Raises ConfigError when matplotlib is not installed.
    """
    paths = []
    for pair, name in confusion_file_names(pairs):
        if pair.item_level.confusion is not None and pair.item_level.categories is not None:
            size = 2.4 + 0.42 * len(pair.item_level.categories)
            paths += save_figure(
                folder / name, size, partial(draw_confusion, pair=pair), width=size + 0.6
            )
    return paths


def draw_confusion(figure: "Figure", pair: RaterPair) -> None:
    """Draw the counts, with the first rater in rows, and bars for how often each uses a grade."""
    counts, categories = pair.item_level.confusion, pair.item_level.categories
    assert counts is not None and categories is not None  # noqa: S101
    labels = [f"{category:g}" for category in categories]
    grid = figure.add_gridspec(2, 2, width_ratios=(4, 1), height_ratios=(1, 4))
    axes = figure.add_subplot(grid[1, 0])
    _cells(axes, counts)
    places = range(len(labels))
    axes.set_xticks(places, labels)
    axes.set_yticks(places, labels)
    first, second = (
        wrap(name, _MATRIX_WIDTH * figure.get_figwidth(), 9)
        for name in shorten_names([pair.first, pair.second], 60)
    )
    axes.set(xlabel=second, ylabel=first)
    above = figure.add_subplot(grid[0, 0], sharex=axes)
    above.bar(places, counts.sum(axis=0), 0.72, color=SERIES_COLOURS[0])
    beside = figure.add_subplot(grid[1, 1], sharey=axes)
    beside.barh(places, counts.sum(axis=1), 0.72, color=SERIES_COLOURS[0])
    for x, total in enumerate(counts.sum(axis=0)):
        above.text(x, total, f"{total:.0f}", ha="center", va="bottom", fontsize=7, color=GREY)
    for y, total in enumerate(counts.sum(axis=1)):
        beside.text(total, y, f" {total:.0f}", ha="left", va="center", fontsize=7, color=GREY)
    above.margins(y=0.25)
    beside.margins(x=0.45)
    for bars in (above, beside):
        bars.grid(visible=False)
        bars.tick_params(length=0, labelleft=False, labelbottom=False)
        for spine in bars.spines.values():
            spine.set_visible(False)
    kappa = pair.item_level.estimates["kappa"]
    value = "undefined" if np.isnan(kappa.value) else format_estimate(kappa)
    add_title(figure, f"n = {pair.item_level.n:,}, kappa (quadratic) {value}")


def _cells(axes: "Axes", counts: np.ndarray) -> None:
    from matplotlib.colors import LinearSegmentedColormap

    shades = LinearSegmentedColormap.from_list("counts", ["#FFFFFF", SERIES_COLOURS[0]])
    axes.imshow(counts, cmap=shades, vmin=0, vmax=max(1.0, counts.max()), aspect="auto")
    for (y, x), count in np.ndenumerate(counts):
        if count:
            axes.text(x, y, f"{count:.0f}", ha="center", va="center", fontsize=8,
                      color=text_colour_on(shades(count / counts.max())))  # fmt: skip
    axes.grid(visible=False)
    axes.tick_params(length=0)
