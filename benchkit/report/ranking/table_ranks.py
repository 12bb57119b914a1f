"""Ranks of the rows of each table, and their mean over tasks, computed when they are shown."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from benchkit import seeds
from benchkit.report.core.labels import primary_metric
from benchkit.report.core.results import ResultTable, SuiteTables
from benchkit.report.ranking.collection import RankedValues, read_ranked_values
from benchkit.runs.store import Store
from benchkit.stats.arrays import Floats
from benchkit.stats.clusters import count_clusters
from benchkit.stats.ranking.letter_groups import letter_codes
from benchkit.stats.ranking.paired_statistics import PairedStatistics, pair_statistics
from benchkit.stats.ranking.rank_intervals import RankIntervals, differing_pairs, rank_intervals
from benchkit.stats.ranking.win_rates import win_rates


@dataclass(frozen=True)
class RowRank:
    """The rank of a row among those of its table, or its mean rank over tasks."""

    rank: float
    """1 the best; rows with equal means share it."""
    low: float
    """Lower end of its 95 % interval."""
    high: float
    group: str = ""
    """Letters; rows that share one cannot be told apart. Empty over tasks."""


@dataclass(frozen=True, eq=False)
class TableRanks:
    """The ranks of a table in one metric."""

    metric: str
    rows: Mapping[str, RowRank]
    """By label."""
    users: int
    left_out: tuple[str, ...]
    """Labels of rows with figures that are not ranked, because their cases are others."""
    statistics: PairedStatistics
    """Of the rows in their order."""
    wins: Floats
    """[k, k] shares of users at whom the row beats the column."""


@dataclass(frozen=True, eq=False)
class OverallRanks:
    """The mean ranks over tasks of the rows that all tasks have."""

    metric: str
    tasks: tuple[str, ...]
    rows: Mapping[str, RowRank]
    """By label, in the order of the suite."""
    left_out: tuple[str, ...]
    """Labels that some task has no rank of."""
    task_wins: Floats
    """[k, k] shares of tasks on which the mean of the row is larger; equal ones count half."""
    user_wins: Floats
    """[k, k] shares of users at whom the row beats the column, averaged over tasks."""


@dataclass
class SuiteRanks:
    """The ranks of a suite's tables, each computed once."""

    store: Store
    results: SuiteTables
    _tables: dict[tuple[str, str, str], TableRanks | None] = field(default_factory=dict)

    def of_table(self, table: ResultTable, metric: str = "") -> TableRanks | None:
        """Return the ranks of a table in a metric, by default the one that decides its marks.

        None where there are not two rows to rank, for subgroups of cases, and for metrics that have
        no best, whose chance level is not known.
        """
        metric = metric or primary_metric(self.results.plan, table.chance)
        if table.subgroup or metric not in table.chance:
            return None
        key = (table.task, table.protocol, metric)
        if key not in self._tables:
            suite = self.results.plan.suite
            values = read_ranked_values(self.store, suite, table, metric)
            self._tables[key] = None if values is None else rank_rows(values, metric, table.task)
        return self._tables[key]

    def overall(self, protocol: str, metric: str = "") -> OverallRanks | None:
        """Return the mean ranks over tasks; None for fewer than two tasks or methods.

        Nor are there any where tasks differ in their metric, or where the suite is of how much
        methods lose from one task to the other.
        """
        plan = self.results.plan
        whole = [t for t in self.results.tables if t.protocol == protocol and not t.subgroup]
        tables = {table.task: self.of_table(table, metric or plan.primary) for table in whole}
        ranks = {task: of_task for task, of_task in tables.items() if of_task is not None}
        labels = [m for m in plan.labels if any(m in of_task.rows for of_task in ranks.values())]
        common = [m for m in labels if all(m in of_task.rows for of_task in ranks.values())]
        if plan.relative_drops or min(len(ranks), len(common)) < 2 or len(ranks) < len(tables):
            return None
        return _over_tasks(ranks, common, [m for m in labels if m not in common])


def rank_rows(values: RankedValues, metric: str, task: str) -> TableRanks:
    """Rank rows by their means over the same cases.

    Args:
        values: Of the rows.
        metric: The metric.
        task: Its name decides the draws, which are independent between tasks.
    """
    clusters = values.clusters
    statistics = pair_statistics(values.values, clusters, seed=seeds.derive("ranks", task))
    codes = letter_codes(differing_pairs(statistics), statistics.means)
    pooled = np.stack([of_row.mean(axis=0) for of_row in values.values])
    return TableRanks(
        metric,
        _rows(values.labels, rank_intervals([statistics]), codes),
        count_clusters(clusters, pooled.shape[1]),
        values.left_out,
        statistics,
        win_rates(pooled if clusters is None else clusters.mean(pooled)),
    )


def _over_tasks(
    ranks: Mapping[str, TableRanks], labels: Sequence[str], left_out: Sequence[str]
) -> OverallRanks:
    statistics, wins = [], []
    for of_task in ranks.values():
        order = list(of_task.rows)
        places = [order.index(label) for label in labels]
        statistics.append(of_task.statistics.select(places))
        wins.append(of_task.wins[np.ix_(places, places)])
    return OverallRanks(
        next(iter(ranks.values())).metric,
        tuple(ranks),
        _rows(labels, rank_intervals(statistics), [""] * len(labels)),
        tuple(left_out),
        win_rates(np.column_stack([of_task.means for of_task in statistics])),
        np.mean(wins, axis=0),
    )


def _rows(
    labels: Sequence[str], intervals: RankIntervals, codes: Sequence[str]
) -> dict[str, RowRank]:
    columns = (intervals.rank.tolist(), intervals.low.tolist(), intervals.high.tolist(), codes)
    lines = zip(*columns, strict=True)
    return {label: RowRank(*line) for label, line in zip(labels, lines, strict=True)}
