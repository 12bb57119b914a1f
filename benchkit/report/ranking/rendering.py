"""Ranks in words: cells, legends, the table of mean ranks and win rates, records and JSON."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import polars as pl

from benchkit.count_text import count_text
from benchkit.report.core.json_text import json_text
from benchkit.report.core.labels import format_rate, metric_title, protocol_title
from benchkit.report.core.results import ResultTable, SuiteTables
from benchkit.report.core.text_table import TextTable
from benchkit.report.ranking.rank_types import OverallRanks, RowRank, TableRanks
from benchkit.report.ranking.table_ranks import SuiteRanks
from benchkit.runs.records import PlanRecord
from benchkit.stats.arrays import Floats
from benchkit.stats.crossed_effects import MIN_SEEDS

MEAN_RANK_DIGITS = 2
RANK_TITLES = ("Rank", "Group")
RANK_SCHEMA: dict[str, Any] = {
    "protocol": pl.String, "task": pl.String, "metric": pl.String, "method": pl.String,
    "rank": pl.Float64, "low": pl.Float64, "high": pl.Float64, "group": pl.String,
}  # fmt: skip
RANK_CSV_COLUMNS = ("rank", "rank_low", "rank_high", "rank_group")


def format_rank(rank: RowRank | None, digits: int = 0) -> str:
    """Return '3 [2, 5]', and no interval where that is one rank.

    >>> format_rank(RowRank(3, 2, 5)), format_rank(RowRank(1, 1, 1))
    ('3 [2, 5]', '1')
    >>> format_rank(RowRank(2.5, 1, 3), digits=2)
    '2.50 [1.00, 3.00]'
    """
    if rank is None:
        return ""
    text, low, high = (f"{number:.{digits}f}" for number in (rank.rank, rank.low, rank.high))
    return text if low == high == text else f"{text} [{low}, {high}]"


def rank_cells(ranks: TableRanks, label: str) -> list[str]:
    """Return the cells of a row below `RANK_TITLES`; empty where it is not ranked."""
    rank = ranks.rows.get(label)
    return [format_rank(rank), rank.group if rank else ""]


def rank_legend(plan: PlanRecord, ranks: TableRanks, group: bool = True) -> list[str]:
    """Explain the columns, and name the rows without a rank.

    group: whether there is a column of groups.
    """
    lines = [
        f"Rank in {metric_title(ranks.metric, plan)} among {count_text(len(ranks.rows), 'row')},"
        " with its 95 % interval: rows that are significantly better stand before it, those that"
        " are significantly worse behind it (paired bootstrap over users, by random signs, adjusted"
        " for the other rows)."
    ]
    if group:
        lines.append(
            "Group: rows that share a letter do not differ significantly, adjusted for all pairs."
        )
    if ranks.statistics.seeded.sum() > 1:
        lines.append(
            f"Ranks and groups of rows with {MIN_SEEDS} seeds and more are over users and seeds."
        )
    if ranks.left_out:
        names = ", ".join(ranks.left_out)
        lines.append(f"Without a rank, because of values of other cases: {names}.")
    return lines


def overall_notes(ranks: OverallRanks) -> list[str]:
    """Explain mean ranks, and name the rows without one."""
    lines = [
        f"Mean rank over {count_text(len(ranks.tasks), 'task')} among"
        f" {count_text(len(ranks.rows), 'row')}, with its 95 % interval: as that of"
        " one task, in tests adjusted for the other rows on all tasks."
        " Other tasks may rank otherwise."
    ]
    if ranks.left_out:
        names = ", ".join(ranks.left_out)
        lines.append(f"Without a mean rank, because some task has none: {names}.")
    return lines


def overall_tables(plan: PlanRecord, protocol: str, ranks: OverallRanks) -> Iterator[TextTable]:
    """Yield the table of mean ranks, and that of win rates, both the best first."""
    order = sorted(ranks.rows, key=lambda label: ranks.rows[label].rank)
    places = [list(ranks.rows).index(label) for label in order]
    others = len(order) - 1
    task_wins, user_wins = (
        wins[np.ix_(places, places)] for wins in (ranks.task_wins, ranks.user_wins)
    )
    where = (
        f"{plan.title}: {count_text(len(ranks.tasks), 'task')}, {metric_title(ranks.metric, plan)}"
        f" ({protocol_title(protocol, plan)})"
    )
    notes = (
        *overall_notes(ranks),
        "Wins: shares of the tasks, and of the users (averaged over tasks), at which a row is ahead"
        " of another one, averaged over the others; ties count half.",
    )
    rows = tuple(
        (
            label,
            format_rank(ranks.rows[label], MEAN_RANK_DIGITS),
            *(format_rate((wins[i].sum() - 0.5) / others) for wins in (task_wins, user_wins)),
        )
        for i, label in enumerate(order)
    )
    header = ("Method", "Mean rank", "Wins, tasks", "Wins, users")
    yield TextTable(f"{where}, mean ranks", header, rows, notes)
    numbers = [str(place) for place in range(1, len(order) + 1)]
    lines = tuple(
        (f"{i + 1} {label}", *_win_cells(task_wins[i], user_wins[i], i))
        for i, label in enumerate(order)
    )
    yield TextTable(
        f"{where}, win rates",
        ("Method", *numbers),
        lines,
        (
            "Share of tasks, then of users, at which the row is ahead of the row with the number;"
            " ties count half.",
        ),
        wide=True,
    )


def _win_cells(task_wins: Floats, user_wins: Floats, itself: int) -> Iterator[str]:
    for place, (tasks, users) in enumerate(zip(task_wins, user_wins, strict=True)):
        yield "" if place == itself else f"{format_rate(tasks)} {format_rate(users)}"


def suite_overall_tables(ranks: SuiteRanks) -> list[TextTable]:
    """Return the tables of mean ranks and win rates of each protocol that has them."""
    return [
        table
        for protocol, overall in _overall(ranks)
        for table in overall_tables(ranks.results.plan, protocol, overall)
    ]


def rank_record(ranks: SuiteRanks, table: ResultTable, label: str, metric: str) -> dict[str, Any]:
    """Return the fields `RANK_CSV_COLUMNS` of a row in a metric; nothing where it has no rank."""
    of_table = ranks.of_table(table, metric) if metric else None
    rank = of_table.rows.get(label) if of_table else None
    if rank is None:
        return {}
    values = (int(rank.rank), int(rank.low), int(rank.high), rank.group)
    return dict(zip(RANK_CSV_COLUMNS, values, strict=True))


def rank_records(ranks: SuiteRanks, metric: str = "") -> Iterator[tuple[Any, ...]]:
    """Yield the fields `RANK_SCHEMA` of each row of each task, then of the mean over tasks."""
    for table in _whole(ranks.results):
        if (of_table := ranks.of_table(table, metric)) is not None:
            for label, rank in of_table.rows.items():
                yield (
                    table.protocol, table.task, of_table.metric, label,
                    rank.rank, rank.low, rank.high, rank.group,
                )  # fmt: skip
    for protocol, overall in _overall(ranks, metric):
        for label, rank in overall.rows.items():
            first = (protocol, None, overall.metric, label)
            yield (*first, rank.rank, rank.low, rank.high, None)


def ranks_json(ranks: SuiteRanks) -> str:
    """Return the ranks of all tables and metrics, the mean ranks and the win rates as JSON."""
    plan = ranks.results.plan
    tables = [
        {
            "task": table.task,
            "protocol": table.protocol,
            "metric": metric,
            "users": of_table.users,
            "rows": [
                {"method": label, **_fields(rank), "group": rank.group}
                for label, rank in of_table.rows.items()
            ],
            "left_out": list(of_table.left_out),
        }
        for table in ranks.results.tables
        for metric in table.chance
        if (of_table := ranks.of_table(table, metric)) is not None
    ]
    overall = [
        {
            "protocol": protocol,
            "metric": over_tasks.metric,
            "tasks": list(over_tasks.tasks),
            "rows": [{"method": label, **_fields(rank)} for label, rank in over_tasks.rows.items()],
            "task_wins": over_tasks.task_wins.tolist(),
            "user_wins": over_tasks.user_wins.tolist(),
            "left_out": list(over_tasks.left_out),
        }
        for protocol, over_tasks in _overall(ranks)
    ]
    return json_text({"suite": plan.suite, "tables": tables, "overall": overall})


def _fields(rank: RowRank) -> dict[str, float]:
    return {"rank": rank.rank, "low": rank.low, "high": rank.high}


def _overall(ranks: SuiteRanks, metric: str = "") -> Iterator[tuple[str, OverallRanks]]:
    for protocol in dict.fromkeys(table.protocol for table in _whole(ranks.results)):
        if (overall := ranks.overall(protocol, metric)) is not None:
            yield protocol, overall


def _whole(results: SuiteTables) -> Sequence[ResultTable]:
    return [table for table in results.tables if not table.subgroup]
