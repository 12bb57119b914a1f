"""Tables on the terminal."""

import os
import sys
from collections.abc import Callable

from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from benchkit.records import Plan
from benchkit.report.grade_tables import grids
from benchkit.report.grid import show
from benchkit.report.model import Cell, Results, Row, Table
from benchkit.report.wording import (
    NOT_ABOVE,
    best,
    caption,
    columns,
    footnotes,
    is_at_chance,
    legend,
    metric_title,
    number,
    seconds,
    shown,
    superscript,
)

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
        console.print(Text(caption(results.plan, table), style="bold"))
        console.print(_grid(results.plan, table, console.width))
        notes = [f"{superscript([n])} {text}" for text, n in footnotes(table).items()]
        for line in [*legend(results.plan, table), *notes]:
            console.print(Text(line, style="dim"))
    show(console, list(grids(results.plan.title, results.grades)))


def _grid(plan: Plan, table: Table, width: int) -> RichTable:
    names = columns(plan, table)
    if width < _WIDE:
        names = [name for name in names if not name.startswith("coverage")]
    show = shown if width >= _WIDE else _short
    grid = RichTable(box=None, header_style="bold", pad_edge=False)
    grid.add_column("Method", no_wrap=True)
    for name in names:
        grid.add_column(metric_title(name), justify="right")
    grid.add_column("Fit (s)", justify="right")
    chance = [number(table.chance[name]) if name in table.chance else "" for name in names]
    grid.add_row(Text("Chance"), *chance, "", style="dim italic")
    for row in table.rows:
        grid.add_row(*_line(plan, table, row, names, show))
    return grid


def _short(cell: Cell) -> str:
    """'.612±.022': the longer side of the interval, for narrow terminals."""
    if cell.low is None or cell.high is None or cell.low == cell.high:
        return number(cell.mean)
    return f"{number(cell.mean)}±{number(max(cell.high - cell.mean, cell.mean - cell.low))}"


def _line(
    plan: Plan, table: Table, row: Row, names: list[str], show: Callable[[Cell], str]
) -> list[Text]:
    label = Text(row.label)
    if is_at_chance(row, plan):
        label.append(NOT_ABOVE, style="yellow")
    label.append(superscript(footnotes(table)[remark] for remark in row.remarks), style="dim")
    if not row.cells:
        return [label, Text(row.status, style="red"), *(Text("") for _ in names)]
    cells = []
    for name in names:
        cell = row.cells.get(name)
        text = Text("") if cell is None else Text(show(cell))
        if cell is not None and name in table.chance and cell.mean == best(table, name):
            text.stylize("bold green")
        cells.append(text)
    return [label, *cells, Text(seconds(row))]
