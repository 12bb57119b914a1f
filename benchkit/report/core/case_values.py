"""Per-case values of methods from the run store, with a row for each seed."""

from collections.abc import Sequence
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
    rows = {row.label: row for row in table.rows}
    methods: list[CaseValues] = []
    clusters = None
    for label in labels:
        ids: tuple[str, ...] | None = None
        seeds = []
        for run_id in rows[label].run_ids:
            frame = store.run(suite, table.task, label, run_id).metrics()
            frame = frame.filter(pl.col("protocol") == rows[label].protocol)
            cases = frame.filter(pl.col("metric") == metric).drop_nulls("value").sort("case_id")
            if cases.is_empty():
                raise ConfigError(
                    f"{table.task}: {label} has no values of {metric!r} case by case",
                    f"choose of: {', '.join(frame['metric'].unique(maintain_order=True))}",
                )
            seed_ids = tuple(cases["case_id"])
            _check_same_cases(f"{label}, its seeds", ids or seed_ids, seed_ids, suite, table.task)
            ids = seed_ids
            seeds.append(cases["value"].to_numpy())
        if not methods:
            run = store.run(suite, table.task, label, rows[label].run_ids[0])
            clusters = case_clusters(ids or (), read_case_users(run))
        values = CaseValues(label, ids or (), np.array(seeds, dtype=np.float64), clusters)
        if methods:
            first = methods[0]
            pair = f"{first.label} and {label}"
            _check_same_cases(pair, first.case_ids, values.case_ids, suite, table.task)
        methods.append(values)
    return methods


def _check_same_cases(
    who: str, a: tuple[str, ...], b: tuple[str, ...], suite: str, task: str
) -> None:
    # Pairing needs the same cases; leaving out what one of them lacks would be a selection.
    if a == b:
        return
    only_a, only_b = sorted(set(a) - set(b)), sorted(set(b) - set(a))
    example = (only_a or only_b)[0]
    raise StoreError(
        f"{task}: {who} have values of different cases: {len(only_a)} and {len(only_b)} without a"
        f" counterpart of {len(a)} and {len(b)}, e.g. {example!r}",
        f"run both again on the same cases: benchkit run --suite {suite} --overwrite always",
    )
