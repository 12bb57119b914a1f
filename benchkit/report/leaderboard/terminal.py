"""Tables on the terminal."""

import os
import sys
from collections.abc import Callable

from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from benchkit.report.core.labels import (
    CHANCE_MARK,
    best_mean,
    caveat_numbers,
    format_cell,
    format_fit_seconds,
    format_rate,
    is_at_chance,
    metric_columns,
    metric_title,
    superscript,
    table_caption,
    table_legend,
)
from benchkit.report.core.results import Cell, ResultRow, Results, ResultTable
from benchkit.report.core.text_table import print_tables
from benchkit.report.grades.tables import grade_tables
from benchkit.runs.records import PlanRecord

_WIDE = 118  # columns that whole intervals need


def wide_console() -> Console:
    """A console that is wide enough for tables where nobody's window limits it."""
    return Console() if sys.stdout.isatty() or "COLUMNS" in os.environ else Console(width=140)


def print_results(console: Console, results: Results) -> None:
    """Print every table, with chance first, the best of a column bold, and the legend.

    A narrow terminal gets half-widths instead of intervals, and no coverage.
    """
    for table in results.tables:
        console.print()
        console.print(Text(table_caption(results.plan, table), style="bold"))
        console.print(_grid(results.plan, table, console.width))
        notes = [f"{superscript([n])} {text}" for text, n in caveat_numbers(table).items()]
        for line in [*table_legend(results.plan, table), *notes]:
            console.print(Text(line, style="dim"))
    print_tables(console, list(grade_tables(results.plan.title, results.grades)))


def _grid(plan: PlanRecord, table: ResultTable, width: int) -> RichTable:
    names = metric_columns(plan, table)
    if width < _WIDE:
        names = [name for name in names if not name.startswith("coverage")]
    show = format_cell if width >= _WIDE else _short
    grid = RichTable(box=None, header_style="bold", pad_edge=False)
    grid.add_column("Method", no_wrap=True)
    for name in names:
        grid.add_column(metric_title(name), justify="right")
    grid.add_column("Fit (s)", justify="right")
    chance = [format_rate(table.chance[name]) if name in table.chance else "" for name in names]
    grid.add_row(Text("Chance"), *chance, "", style="dim italic")
    for row in table.rows:
        grid.add_row(*_line(plan, table, row, names, show))
    return grid


def _short(cell: Cell) -> str:
    """'.612±.022': the longer side of the interval, for narrow terminals."""
    if cell.low is None or cell.high is None or cell.low == cell.high:
        return format_rate(cell.mean)
    return (
        f"{format_rate(cell.mean)}±{format_rate(max(cell.high - cell.mean, cell.mean - cell.low))}"
    )


def _line(
    plan: PlanRecord,
    table: ResultTable,
    row: ResultRow,
    names: list[str],
    show: Callable[[Cell], str],
) -> list[Text]:
    label = Text(row.label)
    if is_at_chance(row, plan):
        label.append(CHANCE_MARK, style="yellow")
    label.append(superscript(caveat_numbers(table)[remark] for remark in row.caveats), style="dim")
    if not row.cells:
        return [label, Text(row.status, style="red"), *(Text("") for _ in names)]
    cells = []
    for name in names:
        cell = row.cells.get(name)
        text = Text("") if cell is None else Text(show(cell))
        if cell is not None and name in table.chance and cell.mean == best_mean(table, name):
            text.stylize("bold green")
        cells.append(text)
    return [label, *cells, Text(format_fit_seconds(row))]
