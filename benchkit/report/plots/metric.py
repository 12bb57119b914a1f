"""Plots of a metric with 95 % intervals by method, for one task or several side by side."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from benchkit.errors import ConfigError
from benchkit.report.core.cell import Cell
from benchkit.report.core.labels import (
    CHANCE_MARK,
    format_cell,
    format_rate,
    is_at_chance,
    metric_title,
)
from benchkit.report.core.results import ResultRow, ResultTable, SuiteTables
from benchkit.report.plots.base import (
    CHANCE_LINE_STYLE,
    Plot,
    SeriesStyle,
    describe_counts,
    error_bar_lengths,
    family_styles,
    plot_heading,
    select_plot_results,
    table_primary_metric,
    tables_with_results,
)
from benchkit.report.plots.style import FIGURE_WIDTH, GREY, make_figure
from benchkit.report.plots.text_fitting import (
    LEGEND_STYLE,
    MAX_LABEL_LENGTH,
    add_legend_above,
    add_note,
    add_title,
    count_legend_columns,
    escape_legend_names,
    shorten_names,
    text_height,
    wrap,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

_LINE = 0.21  # inches for each method
_PANEL = 1.5
_MAX_PANELS, _MAX_PANELS_OF_MANY = 5, 8  # side by side, the second with more than 30 methods
_CHANCE_NOTE = f"{CHANCE_MARK} not significantly above chance (one-sided, Holm over the rows, 5 %)."


def metric_plots(results: SuiteTables) -> Iterator[Plot]:
    """Yield a plot for each task and protocol, then one for each protocol with several tasks."""
    styles = family_styles(results)
    groups: dict[tuple[str, str], list[ResultTable]] = {}
    for table in tables_with_results(results):
        metric = table_primary_metric(results, table)
        groups.setdefault((table.protocol, metric), []).append(table)
        text = plot_heading(results, table, metric_title(metric))
        extra = max(0, min(MAX_LABEL_LENGTH, max(len(row.label) for row in table.rows)) - 18)
        width = FIGURE_WIDTH + 0.07 * extra
        yield Plot(
            ("metric", table.task, table.protocol),
            1.4 + _LINE * len(table.rows) + text_height(text, width),
            partial(
                draw_metric,
                results=select_plot_results(results, [table]),
                table=table,
                styles=styles,
            ),
            width,
        )
    protocols = [protocol for protocol, _ in groups]
    for (protocol, metric), tables in groups.items():
        if len(tables) < 2:
            continue
        labels = _labels(results, tables)
        lines = -(-len(tables) // (_MAX_PANELS_OF_MANY if len(labels) > 30 else _MAX_PANELS))
        columns = -(-len(tables) // lines)
        several = (metric,) if protocols.count(protocol) > 1 else ()
        yield Plot(
            ("metrics", protocol, *several),
            1.3 + lines * (0.45 + _LINE * len(labels)),
            partial(
                draw_metric_panels,
                results=select_plot_results(results, tables),
                tables=tables,
                styles=styles,
                columns=columns,
            ),
            1.2 + 0.06 * min(MAX_LABEL_LENGTH, max(map(len, labels))) + _PANEL * columns,
        )


def metric_figure(results: SuiteTables, table: ResultTable, metric: str = "") -> "Figure":
    """Draw one table's metric, the suite's primary one by default, and return the figure.

    Raises ConfigError for a metric that cannot be drawn, or without matplotlib.
    """
    if metric:
        results = replace(results, plan=results.plan.model_copy(update={"primary": metric}))
        if table_primary_metric(results, table) != metric:
            raise ConfigError(
                f"{metric!r} cannot be drawn: it has no chance level and no interval",
                "results.to_polars() has its values",
            )
    (plot,) = metric_plots(replace(results, tables=(table,)))
    return make_figure(plot.height, plot.draw, plot.width)


def draw_metric(
    figure: "Figure", results: SuiteTables, table: ResultTable, styles: Mapping[str, SeriesStyle]
) -> None:
    """Draw methods with the best first and the reasons of rows without a result last.

    The numbers of the table are printed beside the axes.
    """
    metric = table_primary_metric(results, table)
    name = metric_title(metric)
    axes = figure.subplots()
    rows = sorted(table.rows, key=lambda r: -r.cells[metric].mean if metric in r.cells else 9)
    labels = shorten_names([row.label for row in rows])
    marks = [CHANCE_MARK if is_at_chance(row, results.plan) else "" for row in rows]
    _rows(axes, rows, metric, styles)
    _ticks(axes, [label + mark for label, mark in zip(labels, marks, strict=True)])
    for y, (row, tick) in enumerate(zip(rows, axes.get_yticklabels(), strict=True)):
        cell = row.cells.get(metric)
        text = format_cell(cell) if cell else ""
        axes.text(1.02, y, text, transform=axes.get_yaxis_transform(), va="center", fontsize=7.5)
        if cell is None:
            tick.set_color(GREY)
            _reason(axes, y, row, 36)
    handles, names = _families(rows, styles)
    if metric in table.chance:
        handles.append(axes.axvline(table.chance[metric], **CHANCE_LINE_STYLE))
        names.append(f"chance {format_rate(table.chance[metric])}")
    counts = describe_counts(rows, metric)
    axes.set_xlabel(f"{name}: mean and 95 % interval" + (f" over {counts}" if counts else ""))
    add_legend_above(
        axes, handles, names, figure.get_figwidth() - 0.6 - 0.07 * max(map(len, labels))
    )
    add_title(figure, plot_heading(results, table, name))
    add_note(figure, _CHANCE_NOTE if any(marks) else "")


def draw_metric_panels(
    figure: "Figure",
    results: SuiteTables,
    tables: Sequence[ResultTable],
    styles: Mapping[str, SeriesStyle],
    columns: int,
) -> None:
    """Draw tasks side by side on the same scale, methods in the order of the suite."""
    metric, first = table_primary_metric(results, tables[0]), tables[0]
    labels = _labels(results, tables)
    lines = -(-len(tables) // columns)
    grid = figure.subplots(lines, columns, sharex=True, sharey=True, squeeze=False)
    marked = False
    for place, table in enumerate(tables):
        axes = grid[place // columns][place % columns]
        by_label = {row.label: row for row in table.rows}
        rows = [by_label.get(label, _absent(table, label)) for label in labels]
        _rows(axes, rows, metric, styles)
        for y, row in enumerate(rows):
            if metric not in row.cells:
                _reason(axes, y, row, 15)
            elif is_at_chance(row, results.plan):
                _mark(axes, y, row.cells[metric])
                marked = True
        if metric in table.chance:
            axes.axvline(table.chance[metric], **CHANCE_LINE_STYLE)
        axes.set_title(wrap(table.task, _PANEL - 0.15, 8.5, "bold", 2), fontsize=8.5)
        axes.locator_params(axis="x", nbins=4)
        axes.tick_params(labelbottom=place + columns >= len(tables), left=False)
    for empty in range(len(tables), lines * columns):
        grid[empty // columns][empty % columns].axis("off")
    _ticks(grid[0][0], shorten_names(labels))
    handles, names = _families([row for table in tables for row in table.rows], styles)
    if any(metric in table.chance for table in tables):
        handles.append(_line(**CHANCE_LINE_STYLE))
        names.append("chance")
    if marked:
        handles.append(_line("none"))
        names.append(f"{CHANCE_MARK} not above chance (5 %, Holm)")
    figure.legend(handles, escape_legend_names(names), loc="outside lower left",
                  ncols=count_legend_columns(names, figure.get_figwidth() - 0.3),
                  **LEGEND_STYLE)  # fmt: skip
    protocol = plot_heading(results, first, "").rpartition(" (")[2]
    what = f"{metric_title(metric)} by task, with 95 % intervals over users"
    add_title(figure, f"{results.plan.title}: {what} ({protocol}")


def _rows(
    axes: "Axes", rows: Sequence[ResultRow], metric: str, styles: Mapping[str, SeriesStyle]
) -> None:
    for y, row in enumerate(rows):
        if cell := row.cells.get(metric):
            style = styles[row.family]
            axes.errorbar([cell.mean], [y], xerr=error_bar_lengths([cell]), color=style.colour,
                          marker=style.marker, markersize=5, linewidth=1.6)  # fmt: skip
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.grid(visible=False, axis="y")


def _ticks(axes: "Axes", labels: Sequence[str]) -> None:
    axes.set_yticks(range(len(labels)), labels, fontsize=8)
    axes.tick_params(axis="y", length=0)


def _reason(axes: "Axes", y: int, row: ResultRow, longest: int) -> None:
    """Write why there is no point; only the table has a long reason in full."""
    first = row.status.partition(":")[0]
    text = shorten_names([row.status if len(row.status) <= longest else first], longest)[0]
    axes.text(0.03, y, text, transform=axes.get_yaxis_transform(), va="center", fontsize=7,
              color=GREY, style="italic", zorder=4, bbox={"facecolor": "white", "pad": 1,
              "edgecolor": "none"}).set_in_layout(False)  # fmt: skip


def _mark(axes: "Axes", y: int, cell: Cell) -> None:
    """Mark a row that is not above chance, right of its interval."""
    end = cell.mean if cell.high is None else cell.high
    axes.annotate(CHANCE_MARK, (end, y), (2.5, 0), textcoords="offset points", va="center",
                  fontsize=8).set_in_layout(False)  # fmt: skip


def _families(
    rows: Sequence[ResultRow], styles: Mapping[str, SeriesStyle]
) -> tuple[list["Line2D"], list[str]]:
    """Return the legend's handles and names of the families with results."""
    drawn = list(dict.fromkeys(row.family for row in rows if row.cells))
    lines = [_line(styles[f].colour, marker=styles[f].marker, linewidth=1.6) for f in drawn]
    return lines, shorten_names(drawn)


def _line(color: str, **settings: Any) -> "Line2D":
    from matplotlib.lines import Line2D

    return Line2D([], [], color=color, markersize=5, **settings)


def _labels(results: SuiteTables, tables: Sequence[ResultTable]) -> list[str]:
    """Return the methods of the tables in the order of the suite."""
    labels = {row.label for table in tables for row in table.rows}
    return [label for label in results.plan.labels if label in labels]


def _absent(table: ResultTable, label: str) -> ResultRow:
    """Return a row for a method that the suite does not run on a task."""
    return ResultRow(table.task, table.protocol, label, "", "–")
