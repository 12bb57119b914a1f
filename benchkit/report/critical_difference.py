"""Critical-difference diagram (Demšar 2006, figure 1): mean ranks, and who cannot be told apart."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from benchkit.report import figure
from benchkit.report.comparison import Comparison
from benchkit.report.wording import metric_title
from benchkit.stats.many import cliques
from benchkit.store import slug

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_ROW = 0.23  # inches


def write_diagram(comparison: Comparison, folder: Path) -> list[Path]:
    """Write critical-difference-METRIC.svg and .png; nothing where there is no ranking.

    Raises ConfigError when matplotlib is not installed.
    """
    if comparison.ranking is None:
        return []
    groups = cliques(comparison.ranking.ranks, comparison.ranking.difference)
    rows = (len(comparison.ranked) + 1) // 2
    height = 1.35 + _ROW * rows + 0.13 * len(groups)
    stem = folder / f"critical-difference-{slug(comparison.metric)}"
    return figure.write(stem, height, partial(diagram, comparison=comparison, groups=groups))


def diagram(canvas: "Figure", comparison: Comparison, groups: list[tuple[int, ...]]) -> None:
    """The best rank stands left; thick bars join methods that do not differ significantly."""
    found = comparison.ranking
    assert found is not None  # noqa: S101
    ranks, k = found.ranks, len(comparison.ranked)
    order = np.argsort(ranks, kind="stable")
    axes = canvas.subplots()
    axes.axis("off")
    bars = 0.13 * len(groups) + 0.22
    rows = (k + 1) // 2
    pad = 0.45 * (k - 1)
    axes.set_xlim(1 - pad, k + pad)
    axes.set_ylim(-(bars + _ROW * rows + 0.05), 0.75)
    axes.plot([1, k], [0, 0], color="black", linewidth=1)
    for tick in np.unique(np.linspace(1, k, min(k, 10)).round()):
        axes.plot([tick, tick], [0, 0.06], color="black", linewidth=1)
        axes.text(tick, 0.09, f"{tick:g}", ha="center", va="bottom", fontsize=8)
    for place, i in enumerate(order):
        left = place < rows
        level = -(bars + _ROW * (place if left else k - 1 - place))
        edge = 1 - 0.04 * (k - 1) if left else k + 0.04 * (k - 1)
        axes.plot([ranks[i], ranks[i], edge], [0, level, level], color=figure.GREY, linewidth=0.8)
        label = f"{comparison.ranked[i]} ({ranks[i]:.2f})"
        axes.text(edge, level, f" {label} ", ha="right" if left else "left", va="center",
                  fontsize=8)  # fmt: skip
    reach = 0.006 * (k - 1)
    for height, group in enumerate(groups):
        y = -0.13 * (height + 1)
        ends = [ranks[group[0]] - reach, ranks[group[-1]] + reach]
        axes.plot(ends, [y, y], color=figure.COLOURS[0], linewidth=3.5, solid_capstyle="round")
    axes.plot([1, 1 + found.difference], [0.42, 0.42], color=figure.COLOURS[1], linewidth=2)
    axes.text(1, 0.47, f"critical difference {found.difference:.2f} (5 %)", fontsize=8,
              ha="left", va="bottom")  # fmt: skip
    axes.set_title(
        f"Mean ranks in {metric_title(comparison.metric)} over {found.n} tasks,"
        f" {comparison.protocol}"
    )
