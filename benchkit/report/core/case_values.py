"""Per-case values of methods from the run store, with a row for each seed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from benchkit.errors import ConfigError, StoreError
from benchkit.report.core.case_users import case_clusters, read_case_users
from benchkit.report.core.results import ResultTable, SuiteTables
from benchkit.runs.store import Store
from benchkit.stats.clusters import Clusters


@dataclass(frozen=True)
class CaseValues:
    """One metric of one method, case by case."""

    label: str
    case_ids: tuple[str, ...]
    """[n] in the order of `values`."""
    values: NDArray[np.float64]
    """[seeds, n]"""
    clusters: Clusters | None = None
    """The cases of each user, where users have several."""

    @property
    def pooled(self) -> NDArray[np.float64]:
        """[n] mean over seeds."""
        return np.asarray(self.values.mean(axis=0), dtype=np.float64)


def all_case_tables(results: SuiteTables, protocol: str, tasks: Sequence[str]) -> list[ResultTable]:
    """Return the table of each task under a protocol, over all its cases.

    Args:
        results: The suite's results.
        protocol: The protocol.
        tasks: Names of tasks; all when empty.

    Raises:
        ConfigError: There are no results of a task or of the protocol.
    """
    available = {
        (table.task, table.protocol): table
        for table in results.tables
        if not table.subgroup and table.task in results.plan.tasks
    }
    protocols = list(dict.fromkeys(p for _, p in available))
    if protocol not in protocols:
        raise ConfigError(
            f"suite {results.plan.suite!r} has no results under protocol {protocol!r}",
            f"choose one of: {', '.join(protocols) or 'none was run'}",
        )
    names = [task for task in results.plan.tasks if (task, protocol) in available]
    for task in tasks:
        if task not in names:
            raise ConfigError(
                f"suite {results.plan.suite!r} has no task {task!r} under {protocol!r}",
                f"choose of: {', '.join(names)}",
            )
    return [available[name, protocol] for name in dict.fromkeys(tasks or names)]


def read_case_values(
    store: Store, suite: str, table: ResultTable, metric: str, labels: Sequence[str]
) -> list[CaseValues]:
    """Read the values of methods over the same cases, and whose cases they are.

    Args:
        store: The run store.
        suite: The suite's name in it.
        table: The table of which the methods are complete rows.
        metric: The metric.
        labels: The methods.

    Raises:
        StoreError: The cases of methods or of seeds differ.
        ConfigError: The metric has no values case by case.
    """
    return read_metric_values(store, suite, table, {metric: labels})[metric]


def read_metric_values(
    store: Store, suite: str, table: ResultTable, labels: Mapping[str, Sequence[str]]
) -> dict[str, list[CaseValues]]:
    """Read the values of several metrics as `read_case_values` does, each run's table once.

    labels: The methods of each metric, in their order.
    """
    rows = {row.label: row for row in table.rows}
    series: dict[tuple[str, str], list[pl.DataFrame]] = {}  # (metric, label) -> a table a seed
    shared: dict[str, pl.Series] = {}  # metric -> the cases of what was read first
    for label in dict.fromkeys(name for of_metric in labels.values() for name in of_metric):
        for run_id in rows[label].run_ids:
            frame = store.run(suite, table.task, label, run_id).metrics()
            frame = frame.filter(pl.col("protocol") == rows[label].protocol)
            for metric in (name for name, of_metric in labels.items() if label in of_metric):
                cases = frame.filter(pl.col("metric") == metric).drop_nulls("value").sort("case_id")
                if cases.is_empty():
                    raise ConfigError(
                        f"{table.task}: {label} has no values of {metric!r} case by case",
                        f"choose of: {', '.join(frame['metric'].unique(maintain_order=True))}",
                    )
                first = shared.setdefault(metric, cases["case_id"])
                if cases["case_id"].equals(first):  # hold the names of cases once, not once a run
                    cases = cases.with_columns(first)
                series.setdefault((metric, label), []).append(cases.select("case_id", "value"))
    return {
        metric: _case_values(store, suite, table, metric, of_metric, series)
        for metric, of_metric in labels.items()
    }


def _case_values(
    store: Store,
    suite: str,
    table: ResultTable,
    metric: str,
    labels: Sequence[str],
    series: Mapping[tuple[str, str], Sequence[pl.DataFrame]],
) -> list[CaseValues]:
    """Return the values of methods. Raises StoreError where cases of methods or seeds differ."""
    rows = {row.label: row for row in table.rows}
    methods: list[CaseValues] = []
    ids: pl.Series | None = None
    names: tuple[str, ...] = ()
    clusters = None
    for label in labels:
        seeds = series[metric, label]
        for seed in seeds[1:]:
            who = f"{label}, its seeds"
            _check_same_cases(who, seeds[0]["case_id"], seed["case_id"], suite, table.task)
        if ids is None:
            ids = seeds[0]["case_id"]
            names = tuple(ids)
            run = store.run(suite, table.task, label, rows[label].run_ids[0])
            clusters = case_clusters(names, read_case_users(run))
        pair = f"{labels[0]} and {label}"
        _check_same_cases(pair, ids, seeds[0]["case_id"], suite, table.task)
        values = np.array([seed["value"].to_numpy() for seed in seeds], dtype=np.float64)
        methods.append(CaseValues(label, names, values, clusters))
    return methods


def _check_same_cases(who: str, first: pl.Series, second: pl.Series, suite: str, task: str) -> None:
    # Pairing needs the same cases; leaving out what one of them lacks would be a selection.
    if first.equals(second):
        return
    a, b = first.to_list(), second.to_list()
    only_a, only_b = sorted(set(a) - set(b)), sorted(set(b) - set(a))
    example = (only_a or only_b)[0]
    raise StoreError(
        f"{task}: {who} have values of different cases: {len(only_a)} and {len(only_b)} without a"
        f" counterpart of {len(a)} and {len(b)}, e.g. {example!r}",
        f"run both again on the same cases: benchkit run --suite {suite} --overwrite always",
    )
