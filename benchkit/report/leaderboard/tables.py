"""The leaderboard: a table for each task, protocol and subgroup. Same store, same bytes."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from rich.console import Console

from benchkit.report.core.cell import Cell
from benchkit.report.core.labels import (
    best_mean,
    caveat_numbers,
    format_cell,
    format_fit_seconds,
    format_rate,
    metric_columns,
    metric_title,
    reason_notes,
    row_marks,
    split_inapplicable,
    split_status,
    table_caption,
    table_legend,
)
from benchkit.report.core.latex import render_latex
from benchkit.report.core.results import ResultRow, ResultTable, SuiteTables
from benchkit.report.core.terminal_table import fits_terminal, print_tables
from benchkit.report.core.text_table import (
    TextCell,
    TextRow,
    TextTable,
    csv_text,
    note_number,
    render_markdown,
)
from benchkit.report.grades.tables import grade_tables
from benchkit.report.leaderboard.costs import per_thousand_users
from benchkit.report.ranking.rank_types import TableRanks
from benchkit.report.ranking.rendering import (
    RANK_CSV_COLUMNS,
    RANK_TITLES,
    rank_cells,
    rank_legend,
    rank_record,
    suite_overall_tables,
)
from benchkit.report.ranking.table_ranks import SuiteRanks
from benchkit.runs.records import PlanRecord

LEADERBOARD_CSV_COLUMNS = (
    "suite", "task", "protocol", "part", "method", "family", "metric", "mean", "low", "high", "n",
    "users", "chance", "p_above_chance_holm", "seeds", "run_ids", "fit_seconds",
    "seconds_per_1000_users", "tokens_per_1000_users", "peak_memory_mb", "device", "status",
    "remarks",
)  # fmt: skip


def leaderboard_table(
    plan: PlanRecord,
    table: ResultTable,
    *,
    metrics: Sequence[str] | None = None,
    formatter: Callable[[Cell], str] = format_cell,
    family: bool = True,
    fit: bool = True,
    ranks: TableRanks | None = None,
) -> TextTable:
    """Return a table with chance first, the best of each column bold, and its legend.

    Args:
        plan: The suite.
        table: Results of one task under one protocol.
        metrics: The columns; by default all that a row has.
        formatter: How a mean and its interval are written.
        family: Whether there is a column of families.
        fit: Whether there is a column of training times.
        ranks: The ranks of the rows, for columns of them and of groups.
    """
    names = metric_columns(plan, table) if metrics is None else metrics
    caveats = caveat_numbers(table)
    best = {name: best_mean(table, name) for name in names if name in table.chance}
    before = [""] * (family + (len(RANK_TITLES) if ranks else 0))
    rows = []
    for title, chance in table.chance_rows:
        rates = [format_rate(chance[name]) if name in chance else "" for name in names]
        rows.append(TextRow((title, *before, *rates, *[""] * fit), True))
    previous = ""
    reasons: list[tuple[str, str]] = []
    shown, inapplicable = split_inapplicable(table.rows)
    for row in shown:
        marks = row_marks(row, table.protocol, plan)
        label = TextCell(row.label, marks=(*marks, *(caveats[text] for text in row.caveats)))
        cells: list[str | TextCell] = [label, *[row.family] * family]
        if row.cells:
            cells += rank_cells(ranks, row.label) if ranks else []
            for name in names:
                cell = row.cells.get(name)
                bold = cell is not None and cell.mean == best.get(name)
                cells.append(TextCell("" if cell is None else formatter(cell), bold))
            cells += [format_fit_seconds(row)] * fit
        else:
            status, reason = split_status(row.status)
            cells.append(status)
            reasons.append((row.label, reason))
        rows.append(TextRow(tuple(cells), rule=row.family != previous))
        previous = row.family
    return TextTable(
        table_caption(plan, table),
        (
            "Method",
            *["Family"] * family,
            *(RANK_TITLES if ranks else ()),
            *(metric_title(name, plan) for name in names),
            *["Fit (s)"] * fit,
        ),
        tuple(rows),
        (
            *reason_notes(reasons),
            *inapplicable,
            *table_legend(plan, table),
            *(rank_legend(plan, ranks) if ranks else []),
            *(note_number(n, text) for text, n in caveats.items()),
        ),
        text_columns=1 + family,
    )


def leaderboard_markdown(results: SuiteTables) -> str:
    """Render all tables, each with its caption and legend."""
    return render_markdown(leaderboard_table(results.plan, table) for table in results.tables)


def leaderboard_latex(results: SuiteTables) -> str:
    """Render all tables in booktabs style, without training times."""
    return render_latex(
        leaderboard_table(results.plan, table, fit=False) for table in results.tables
    )


def print_results(console: Console, results: SuiteTables, ranks: SuiteRanks | None = None) -> None:
    """Print every table, and those of grades; with `ranks`, with columns of them.

    A terminal that is too narrow gets half-widths instead of intervals, and no coverage.
    """
    plan = results.plan
    for table in results.tables:
        table_ranks = ranks.of_table(table) if ranks else None
        layout = leaderboard_table(plan, table, family=False, ranks=table_ranks)
        if not fits_terminal(console, layout):
            names = metric_columns(plan, table)
            names = [n for n in names if n in plan.metrics or not n.startswith("coverage")]
            layout = leaderboard_table(
                plan,
                table,
                metrics=names,
                formatter=_format_half_width,
                family=False,
                ranks=table_ranks,
            )
        print_tables(console, [layout])
    if ranks is not None:
        print_tables(console, suite_overall_tables(ranks))
    print_tables(console, grade_tables(results.plan.title, results.grades))


def _format_half_width(cell: Cell) -> str:
    """Return '.612 ±.022': the longer side of the interval, for narrow terminals."""
    if cell.low is None or cell.high is None or cell.low == cell.high:
        return format_rate(cell.mean)
    longest = max(cell.high - cell.mean, cell.mean - cell.low)
    return f"{format_rate(cell.mean)} ±{format_rate(longest)}"


def leaderboard_csv(results: SuiteTables, ranks: SuiteRanks | None = None) -> str:
    """Return one line a row and metric; a row without results has one line with its status.

    With `ranks`, a line has the rank of the row in its metric, too.
    """
    records = (
        (table, row, record)
        for table in results.tables
        for row in table.rows
        for record in _records(results.plan, table, row)
    )
    if ranks is None:
        return csv_text(LEADERBOARD_CSV_COLUMNS, (record for _, _, record in records))
    lines = (
        {**record, **rank_record(ranks, table, row.label, record.get("metric", ""))}
        for table, row, record in records
    )
    return csv_text((*LEADERBOARD_CSV_COLUMNS, *RANK_CSV_COLUMNS), lines)


def _records(plan: PlanRecord, table: ResultTable, row: ResultRow) -> Iterator[dict[str, Any]]:
    record: dict[str, Any] = {
        "suite": plan.suite, "task": table.task, "protocol": row.protocol,
        "part": table.subgroup, "method": row.label, "family": row.family, "status": row.status,
        "remarks": " | ".join(row.caveats),
    }  # fmt: skip
    if not row.cells:
        yield record
    for name in metric_columns(plan, table):
        if (cell := row.cells.get(name)) is None:
            continue
        yield {
            **record, "metric": name, "mean": cell.mean, "low": cell.low, "high": cell.high,
            "n": cell.n, "users": cell.users, "chance": table.chance_of(row, name),
            "p_above_chance_holm": cell.p,
            "seeds": " ".join(map(str, row.seeds)), "run_ids": " ".join(row.run_ids),
            "fit_seconds": row.cost.get("fit_seconds"),
            "seconds_per_1000_users": per_thousand_users(row, "seconds"),
            "tokens_per_1000_users": per_thousand_users(row, "tokens"),
            "peak_memory_mb": row.cost.get("peak_memory_mb"), "device": row.device,
        }  # fmt: skip
