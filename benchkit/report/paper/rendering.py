"""The papers' layout as a text table, and as CSV records with exact rates."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from benchkit.data.dataset_statistics import is_marked_synthetic
from benchkit.report.core.labels import (
    CHANCE_MARK,
    MIXED,
    SAMPLED,
    SAMPLED_MARK,
    SIGNIFICANCE_MARK,
    caveat_notes,
    format_mean,
    format_rate,
    metric_title,
    protocol_title,
)
from benchkit.report.core.text_table import (
    TextCell,
    TextRow,
    TextTable,
    csv_text,
)
from benchkit.report.paper.paper_table import AVERAGE, PaperColumn, PaperRow, PaperTable
from benchkit.report.paper.rank_columns import RANK_COLUMN, PaperRanks, build_paper_ranks
from benchkit.report.ranking.rendering import RANK_CSV_COLUMNS, rank_record
from benchkit.report.ranking.table_ranks import SuiteRanks
from benchkit.runs.records import PlanRecord

# What papers multiply rates by, and the digits that they print.
_UNITS = {"percent": (100, 2), "ratio": (1, 4)}
_BLANK = "–"

PAPER_CSV_COLUMNS = (
    "suite", "protocol", "family", "method", "task", "metric", "mean", "low", "high", "chance",
    "place", "beats_all", "at_chance", "paper", "table", "published", "difference", "status",
)  # fmt: skip


def paper_text_table(
    plan: PlanRecord,
    table: PaperTable,
    intervals: bool = False,
    ranks: SuiteRanks | None = None,
) -> TextTable:
    """Return the layout in words: chance first, then the families with their methods.

    Args:
        plan: The suite.
        table: The layout.
        intervals: Whether 95 % intervals stand beside the values.
        ranks: The suite's ranks, for a column of each task and of the mean over tasks.
    """
    paper_ranks = build_paper_ranks(ranks, table) if ranks else PaperRanks()
    table = replace(table, columns=paper_ranks.insert_columns(table.columns))
    rows = []
    for title, levels in table.chance_rows:
        chance = [_number(table, levels.get(column)) for column in table.columns]
        rows.append(TextRow((title, *chance), muted=True))
    for family, members in table.families():
        first = len(rows)
        if family:
            rows.append(TextRow((TextCell(family, italic=True),), rule=True))
        for row in members:
            label = TextCell(row.label, marks=_marks(table, row))
            cells = [
                TextCell(paper_ranks.cell_text(column[0], row.label))
                if column[1] == RANK_COLUMN
                else _cell(table, row, column, intervals)
                for column in table.columns
            ]
            rows.append(TextRow((label, *cells), rule=len(rows) == first))
            published = list(_published(table, row))
            # Generated data are not those of the paper: a difference would say nothing.
            shown = published[:1] if is_marked_synthetic(plan.title) else published
            rows += [TextRow(cells, continues=True) for cells in shown]
    shape = f", in the shape of {table.published_table}" if table.published_table else ""
    return TextTable(
        f"{plan.title}{shape} ({protocol_title(table.protocol, plan)})",
        ("Method", *(_title(plan, column) for column in table.columns)),
        tuple(rows),
        (*paper_notes(table), *paper_ranks.notes),
        groups=tuple(task for task, _ in table.columns),
        wide=True,
    )


def _title(plan: PlanRecord, column: PaperColumn) -> str:
    task, metric = column
    if metric == RANK_COLUMN:
        return "Mean rank" if task == AVERAGE else "Rank"
    return metric_title(metric, plan)


def _marks(table: PaperTable, row: PaperRow) -> tuple[str, ...]:
    sampled = table.protocol == MIXED and SAMPLED in row.protocols.values()
    return (CHANCE_MARK,) * bool(row.at_chance) + (SAMPLED_MARK,) * sampled


def _cell(table: PaperTable, row: PaperRow, column: PaperColumn, intervals: bool) -> TextCell:
    cell = row.cells.get(column)
    if cell is None:
        return TextCell(_BLANK)
    low, high = (cell.low, cell.high) if intervals else (None, None)
    rank = table.top_ranks(column).get(row.label)
    marks = (SIGNIFICANCE_MARK,) if column in row.significant else ()
    text = format_mean(cell.mean, low, high, lambda rate: _number(table, rate))
    return TextCell(text, bold=rank == 1, underline=rank == 2, marks=marks)


def _published(table: PaperTable, row: PaperRow) -> Iterator[tuple[str, ...]]:
    """Return what papers print for a method, and ours minus theirs, below its row."""
    if not row.published:
        return
    papers = dict.fromkeys(f"{value.paper}, {value.table}" for value in row.published.values())
    printed, differences = [], []
    for column in table.columns:
        published, ours = row.published.get(column), row.cells.get(column)
        printed.append(_number(table, published.value) if published else "")
        difference = ours.mean - published.value if ours and published else None
        differences.append("" if difference is None else _signed(table, difference))
    yield (f"published: {'; '.join(papers)}", *printed)
    if any(differences):
        yield ("ours minus published", *differences)


def _number(table: PaperTable, rate: float | None) -> str:
    if rate is None:
        return ""
    if table.unit not in _UNITS:
        return format_rate(rate)
    factor, digits = _UNITS[table.unit]
    return f"{factor * rate:.{digits}f}"


def _signed(table: PaperTable, rate: float) -> str:
    factor, digits = _UNITS.get(table.unit, (1, 3))
    return f"{factor * rate:+.{digits}f}"


def paper_notes(table: PaperTable) -> list[str]:
    """Explain the marks, and what is missing."""
    notes = ["Best of a column bold, second underlined. Chance: exact value of a random ranking."]
    if any(row.significant for row in table.rows):
        external = ", external ones included" if any(row.external for row in table.rows) else ""
        notes.append(
            f"{SIGNIFICANCE_MARK} better than every other row (paired tests over the same users,"
            f" Holm over all columns and rivals{external}, 5 %)."
        )
        notes += table.test_notes
    for row in table.rows:
        if row.at_chance:
            tasks = ", ".join(task for task in table.tasks if task in row.at_chance)
            notes.append(f"{CHANCE_MARK} {row.label}: not significantly above chance on {tasks}.")
    averaged = any(task == AVERAGE for task, _ in table.columns)
    notes += _missing_notes(table, averaged)
    caveats = caveat_notes((row.label, row.caveats) for row in table.rows)
    return [*notes, *table.notes, *caveats]


def _missing_notes(table: PaperTable, averaged: bool) -> Iterator[str]:
    """Yield one note for equal reasons: which rows have no figures, and on which tasks."""
    tasks_of: dict[str, dict[str, list[str]]] = {}  # reason -> row -> tasks
    for row in table.rows:
        for task, reason in row.missing_reasons.items():
            tasks_of.setdefault(reason, {}).setdefault(row.label, []).append(task)
    for reason, rows in tasks_of.items():
        labels_of: dict[str, list[str]] = {}
        for label, tasks in rows.items():
            place = ", ".join(tasks)
            if len(table.tasks) > 2 and len(tasks) == len(table.tasks):
                place = "all tasks"
            labels_of.setdefault(place, []).append(label)
        places = "; ".join(f"{', '.join(labels)}, {place}" for place, labels in labels_of.items())
        without = "it has no average" if len(rows) == 1 else "they have no average"
        yield f"{places}: {reason}{f'; {without}' * averaged}."


def paper_csv(
    plan: PlanRecord, tables: Sequence[PaperTable], ranks: SuiteRanks | None = None
) -> str:
    """Return one line for each cell of ours, published one, and missing one with its reason.

    place: 1 for the best of a column, 2 for the second. beats_all, at_chance: the marks, as 0 or 1.
    """
    records = (
        {"suite": plan.suite, "place": table.top_ranks(column).get(row.label), **record}
        for table in tables
        for column in table.columns
        for row in table.rows
        if (record := _record(table, row, column))
    )
    if ranks is None:
        return csv_text(PAPER_CSV_COLUMNS, records)
    results = {(t.task, t.protocol): t for t in ranks.results.tables if not t.subgroup}
    lines = (
        {**record, **rank_record(ranks, result, record["method"], record["metric"])}
        if (result := results.get((record["task"], record["protocol"])))
        else record
        for record in records
    )
    return csv_text((*PAPER_CSV_COLUMNS, *RANK_CSV_COLUMNS), lines)


def _record(table: PaperTable, row: PaperRow, column: PaperColumn) -> dict[str, Any]:
    """Return the fields of a cell; nothing for an empty cell."""
    task, metric = column
    ours, published = row.cells.get(column), row.published.get(column)
    status = row.missing_reasons.get(task)
    if not (ours or published or status):
        return {}
    record: dict[str, Any] = {
        "protocol": row.protocols.get(task, table.protocol), "family": row.family,
        "method": row.label, "task": task, "metric": metric,
        "chance": table.chance_of(row, column), "status": status,
    }  # fmt: skip
    if ours:
        record |= {
            "mean": ours.mean, "low": ours.low, "high": ours.high, "status": "complete",
            "beats_all": int(column in row.significant), "at_chance": int(task in row.at_chance),
        }  # fmt: skip
    if published:
        record |= {"paper": published.paper, "table": published.table, "published": published.value}
    if ours and published:
        record["difference"] = ours.mean - published.value
    return record
