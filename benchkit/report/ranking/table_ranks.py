"""Ranks of the rows of each table, and their mean over tasks, computed when they are shown."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from benchkit import seeds
from benchkit.report.core.labels import primary_metric
from benchkit.report.core.results import ResultTable, SuiteTables
from benchkit.report.incremental.memo import store_memo
from benchkit.report.incremental.run_inputs import hash_row_tables
from benchkit.report.ranking.collection import RankedValues, read_ranked_values
from benchkit.report.ranking.rank_records import (
    decode_overall_ranks,
    decode_table_ranks,
    encode_overall_ranks,
    encode_table_ranks,
)
from benchkit.report.ranking.rank_types import OverallRanks, RowRank, TableRanks
from benchkit.runs.store import Store
from benchkit.stats.clusters import count_clusters
from benchkit.stats.ranking.letter_groups import letter_codes
from benchkit.stats.ranking.paired_statistics import pair_statistics
from benchkit.stats.ranking.rank_intervals import RankIntervals, differing_pairs, rank_intervals
from benchkit.stats.ranking.win_rates import win_rates


@dataclass
class SuiteRanks:
    """The ranks of a suite's tables, each computed once, in this report or an earlier one."""

    store: Store
    results: SuiteTables
    _tables: dict[tuple[str, str, str], TableRanks | None] = field(default_factory=dict)
    _overall: dict[tuple[str, str], OverallRanks | None] = field(default_factory=dict)

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
            self._tables[key] = store_memo(self.store).recall(
                "ranks",
                lambda: self._inputs(table, metric),
                lambda: self._rank_table(table, metric),
                encode_table_ranks,
                decode_table_ranks,
            )
        return self._tables[key]

    def overall(self, protocol: str, metric: str = "") -> OverallRanks | None:
        """Return the mean ranks over tasks; None for fewer than two tasks or methods.

        Nor are there any where tasks differ in their metric, or where the suite is of how much
        methods lose from one task to the other.
        """
        metric = metric or self.results.plan.primary
        if (protocol, metric) not in self._overall:
            self._overall[protocol, metric] = self._rank_over_tasks(protocol, metric)
        return self._overall[protocol, metric]

    def _inputs(self, table: ResultTable, metric: str) -> list[Any]:
        """Return what the ranks of a table follow from."""
        rows = [row for row in table.rows if metric in row.cells]
        suite = self.results.plan.suite
        hashes = hash_row_tables(self.store, suite, rows)
        return [table.task, table.protocol, metric, [row.label for row in rows], hashes]

    def _rank_table(self, table: ResultTable, metric: str) -> TableRanks | None:
        values = read_ranked_values(self.store, self.results.plan.suite, table, metric)
        return None if values is None else rank_rows(values, metric, table.task)

    def _rank_over_tasks(self, protocol: str, metric: str) -> OverallRanks | None:
        plan = self.results.plan
        whole = [t for t in self.results.tables if t.protocol == protocol and not t.subgroup]
        tables = {table.task: self.of_table(table, metric) for table in whole}
        ranks = {task: of_task for task, of_task in tables.items() if of_task is not None}
        labels = [m for m in plan.labels if any(m in of_task.rows for of_task in ranks.values())]
        common = [m for m in labels if all(m in of_task.rows for of_task in ranks.values())]
        if plan.relative_drops or min(len(ranks), len(common)) < 2 or len(ranks) < len(tables):
            return None
        left_out = [m for m in labels if m not in common]
        return store_memo(self.store).recall(
            "mean-ranks",
            lambda: [[self._inputs(table, metric) for table in whole], common, left_out],
            lambda: _over_tasks(ranks, common, left_out),
            encode_overall_ranks,
            decode_overall_ranks,
        )


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
