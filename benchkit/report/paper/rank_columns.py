"""Ranks in the papers' layout: a column behind those of each task, and of the mean over tasks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from benchkit.report.paper.paper_table import AVERAGE, PaperColumn, PaperTable
from benchkit.report.ranking.rank_types import RowRank
from benchkit.report.ranking.rendering import (
    MEAN_RANK_DIGITS,
    format_rank,
    overall_notes,
    rank_legend,
)
from benchkit.report.ranking.table_ranks import SuiteRanks

RANK_COLUMN = "rank interval"  # stands where a column has its metric; no metric has a blank


@dataclass(frozen=True)
class PaperRanks:
    """What the papers' layout shows of ranks; by default nothing."""

    rows: Mapping[str, Mapping[str, RowRank]] = field(default_factory=dict)
    """Task, or the average -> label -> rank."""
    notes: tuple[str, ...] = ()

    def insert_columns(self, columns: Sequence[PaperColumn]) -> tuple[PaperColumn, ...]:
        """Return the columns with one of ranks behind those of each task that has them."""
        wider: list[PaperColumn] = []
        for place, (task, metric) in enumerate(columns):
            wider.append((task, metric))
            is_last = place + 1 == len(columns) or columns[place + 1][0] != task
            if is_last and task in self.rows:
                wider.append((task, RANK_COLUMN))
        return tuple(wider)

    def cell_text(self, task: str, label: str) -> str:
        """Return the rank of a row with its interval; empty where it has none."""
        digits = MEAN_RANK_DIGITS if task == AVERAGE else 0
        return format_rank(self.rows[task].get(label), digits)


def build_paper_ranks(ranks: SuiteRanks, table: PaperTable) -> PaperRanks:
    """Return the ranks of a layout's tasks under its protocol."""
    plan = ranks.results.plan
    of_tasks = {
        result.task: of_table
        for result in ranks.results.tables
        if result.protocol == table.protocol
        and result.task in table.tasks
        and (of_table := ranks.of_table(result)) is not None
    }
    rows = {task: of_table.rows for task, of_table in of_tasks.items()}
    legends = (rank_legend(plan, of_table, group=False) for of_table in of_tasks.values())
    notes = [line for legend in legends for line in legend]
    if (overall := ranks.overall(table.protocol)) is not None:
        rows[AVERAGE] = overall.rows
        notes += overall_notes(overall)
    return PaperRanks(rows, tuple(dict.fromkeys(notes)))
