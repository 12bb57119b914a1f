"""How a metric depends on the length of the history, for the buckets that a suite names."""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

from benchkit.report.core.labels import metric_title
from benchkit.report.core.results import ResultRow, Results, ResultTable
from benchkit.report.plots.base import (
    CHANCE_LINE_STYLE,
    Plot,
    plot_heading,
    series_styles,
    table_primary_metric,
    tables_with_results,
)
from benchkit.report.plots.curves import Curve, draw_background_curves, draw_curves
from benchkit.report.plots.style import FIGURE_WIDTH
from benchkit.report.plots.text_fitting import (
    add_note,
    add_title,
    missing_rows,
    shorten_names,
    text_height,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_BARS = "Bars: 95 % intervals over users."
_BEHIND = "Grey, without a name: the methods of the other panels."
_TOGETHER = 7  # methods that can be told apart in one panel


def history_plots(results: Results) -> Iterator[Plot]:
    """One for each task and protocol with results in two buckets at least."""
    for table in tables_with_results(results):
        parts = history_bucket_tables(results, table)
        metric = table_primary_metric(results, table)
        if sum(any(metric in row.cells for row in part.rows) for part in parts.values()) < 2:
            continue
        groups = family_panels(table.rows, metric)
        text = missing_rows(table.rows)
        yield Plot(
            ("history", table.task, table.protocol),
            1.1 + 2.3 * len(groups) + text_height(_BARS + _BEHIND + text, FIGURE_WIDTH),
            partial(draw_history, results=results, table=table, parts=parts, text=text),
            FIGURE_WIDTH + 0.8,
        )


def history_bucket_tables(results: Results, table: ResultTable) -> dict[str, ResultTable]:
    """Name of a bucket, e.g. '3–7' -> the table of its cases."""
    found = {}
    for bucket in results.plan.history_buckets:
        low, high = bucket[0], bucket[1] if len(bucket) > 1 else None
        part = f"history of {low}" + (" or more" if high is None else f" to {high}")
        name = f"≥ {low}" if high is None else (f"{low}" if low == high else f"{low}–{high}")
        for other in results.tables:
            if (other.task, other.protocol, other.subgroup) == (table.task, table.protocol, part):
                found[name] = other
    return found


def family_panels(rows: Sequence[ResultRow], metric: str) -> list[tuple[str, list[ResultRow]]]:
    """Heading and methods of each panel: all in one, or else one for each family, and several for
    a large one."""
    drawn = [row for row in rows if metric in row.cells]
    if len(drawn) <= _TOGETHER:
        return [("", drawn)]
    families: dict[str, list[ResultRow]] = {}
    for row in drawn:
        families.setdefault(row.family, []).append(row)
    names = dict(zip(families, shorten_names(list(families)), strict=True))
    groups = []
    for family, own in families.items():
        count = -(-len(own) // _TOGETHER)
        size = -(-len(own) // count)
        for place in range(count):
            which = f" ({place + 1} of {count})" if count > 1 else ""
            groups.append((names[family] + which, own[place * size : (place + 1) * size]))
    return groups


def draw_history(
    figure: "Figure",
    results: Results,
    table: ResultTable,
    parts: Mapping[str, ResultTable],
    text: str,
) -> None:
    """A curve a method over the buckets; behind each panel, grey, the methods of the others."""
    metric = table_primary_metric(results, table)
    groups = family_panels(table.rows, metric)
    curves = {row.label: _curve(row.label, parts, metric) for _, own in groups for row in own}
    grid = figure.subplots(len(groups), 1, sharex=True, sharey=True, squeeze=False)
    for place, (name, own) in enumerate(groups):
        axes = grid[place][0]
        labels = {row.label for row in own}
        draw_background_curves(
            axes, [curve for label, curve in curves.items() if label not in labels]
        )
        if metric in table.chance:
            axes.axhline(table.chance[metric], **CHANCE_LINE_STYLE)
        draw_curves(axes, [curves[row.label] for row in own], series_styles(len(own)))
        axes.set(ylabel=metric_title(metric), title=name, xlim=(-0.45, len(parts) - 0.55))
        axes.grid(visible=False, axis="x")
    counts = [
        max((row.cells[metric].n for row in part.rows if metric in row.cells), default=0)
        for part in parts.values()
    ]
    ticks = [f"{name}\n{n:,} users" for name, n in zip(parts, counts, strict=True)]
    grid[-1][0].set_xticks(range(len(parts)), ticks)
    grid[-1][0].set_xlabel("interactions in the history")
    add_title(figure, plot_heading(results, table, f"{metric_title(metric)} by length of history"))
    chance = "Dashed: chance." if metric in table.chance else ""
    add_note(figure, _BARS, chance, _BEHIND if len(groups) > 1 else "", text)


def _curve(label: str, parts: Mapping[str, ResultTable], metric: str) -> Curve:
    cells = []
    for part in parts.values():
        own = [row.cells[metric] for row in part.rows if row.label == label and metric in row.cells]
        cells.append(own[0] if own else None)
    return Curve(label, tuple(range(len(cells))), tuple(cells))
