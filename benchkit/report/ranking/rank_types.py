"""Ranks of rows: of one table, and their means over tasks."""

from collections.abc import Mapping
from dataclasses import dataclass

from benchkit.stats.arrays import Floats
from benchkit.stats.ranking.paired_statistics import PairedStatistics


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
