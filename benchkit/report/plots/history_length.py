"""Plots of a metric by length of history, for the buckets that a suite names."""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

from benchkit.report.core.labels import history_bucket_title, metric_title
from benchkit.report.core.results import ResultRow, ResultTable, SuiteTables
from benchkit.report.plots.base import (
    CHANCE_LINE_STYLE,
    Plot,
    describe_counts,
    plot_heading,
    select_plot_results,
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
_BACKGROUND_NOTE = "Grey: the methods of the other panels."
_MAX_PER_PANEL = 7  # more curves cannot be told apart


def history_plots(results: SuiteTables) -> Iterator[Plot]:
    """Yield a plot for each task and protocol with results in at least two buckets."""
    for table in tables_with_results(results):
        parts = history_bucket_tables(results, table)
        metric = table_primary_metric(results, table)
        if sum(any(metric in row.cells for row in part.rows) for part in parts.values()) < 2:
            continue
        groups = family_panels(table.rows, metric)
        text = missing_rows(table.rows)
        yield Plot(
            ("history", table.task, table.protocol),
            1.1 + 2.3 * len(groups) + text_height(_BARS + _BACKGROUND_NOTE + text, FIGURE_WIDTH),
            partial(
                draw_history,
                results=select_plot_results(results, [table]),
                table=table,
                parts=parts,
                text=text,
            ),
            FIGURE_WIDTH + 0.8,
        )


def history_bucket_tables(results: SuiteTables, table: ResultTable) -> dict[str, ResultTable]:
    """Return the table of each bucket by its short name, e.g. '3–7'."""
    bucket_tables = {}
    for bucket in results.plan.history_buckets:
        low, high = bucket[0], bucket[1] if len(bucket) > 1 else None
        title = history_bucket_title(low, high)
        name = f"≥ {low}" if high is None else (f"{low}" if low == high else f"{low}–{high}")
        for other in results.tables:
            if (other.task, other.protocol, other.subgroup) == (table.task, table.protocol, title):
                bucket_tables[name] = other
    return bucket_tables


def family_panels(rows: Sequence[ResultRow], metric: str) -> list[tuple[str, list[ResultRow]]]:
    """Return the heading and methods of each panel: one in all, or one or more for each family."""
    drawn = [row for row in rows if metric in row.cells]
    if len(drawn) <= _MAX_PER_PANEL:
        return [("", drawn)]
    families: dict[str, list[ResultRow]] = {}
    for row in drawn:
        families.setdefault(row.family, []).append(row)
    names = dict(zip(families, shorten_names(list(families)), strict=True))
    groups = []
    for family, members in families.items():
        count = -(-len(members) // _MAX_PER_PANEL)
        size = -(-len(members) // count)
        for place in range(count):
            which = f" ({place + 1} of {count})" if count > 1 else ""
            groups.append((names[family] + which, members[place * size : (place + 1) * size]))
    return groups


def draw_history(
    figure: "Figure",
    results: SuiteTables,
    table: ResultTable,
    parts: Mapping[str, ResultTable],
    text: str,
) -> None:
    """Draw a curve for each method, with the other panels' methods in grey behind them."""
    metric = table_primary_metric(results, table)
    groups = family_panels(table.rows, metric)
    curves = {
        row.label: _curve(row.label, parts, metric)
        for _, panel_rows in groups
        for row in panel_rows
    }
    grid = figure.subplots(len(groups), 1, sharex=True, sharey=True, squeeze=False)
    for place, (name, panel_rows) in enumerate(groups):
        axes = grid[place][0]
        labels = {row.label for row in panel_rows}
        draw_background_curves(
            axes, [curve for label, curve in curves.items() if label not in labels]
        )
        if metric in table.chance:
            axes.axhline(table.chance[metric], **CHANCE_LINE_STYLE)
        draw_curves(axes, [curves[row.label] for row in panel_rows], series_styles(len(panel_rows)))
        axes.set(ylabel=metric_title(metric), title=name, xlim=(-0.45, len(parts) - 0.55))
        axes.grid(visible=False, axis="x")
    ticks = []
    for name, part in parts.items():
        counts = describe_counts(part.rows, metric) or "0 users"
        ticks.append("\n".join([name, *counts.split(" with ")]))  # a line each: ticks are narrow
    grid[-1][0].set_xticks(range(len(parts)), ticks)
    grid[-1][0].set_xlabel("interactions in the history")
    add_title(figure, plot_heading(results, table, f"{metric_title(metric)} by length of history"))
    chance = "Dashed: chance." if metric in table.chance else ""
    add_note(figure, _BARS, chance, _BACKGROUND_NOTE if len(groups) > 1 else "", text)


def _curve(label: str, parts: Mapping[str, ResultTable], metric: str) -> Curve:
    cells = []
    for part in parts.values():
        matches = [
            row.cells[metric] for row in part.rows if row.label == label and metric in row.cells
        ]
        cells.append(matches[0] if matches else None)
    return Curve(label, tuple(range(len(cells))), tuple(cells))
