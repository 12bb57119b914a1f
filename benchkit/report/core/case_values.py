"""Per-case values of methods from the run store, with a row for each seed."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from benchkit.errors import ConfigError, StoreError
from benchkit.report.core.results import Results, ResultTable
from benchkit.runs.store import Store


@dataclass(frozen=True)
class CaseValues:
    """One metric of one method: `values` [seeds, n], the cases in the order of `ids` [n]."""

    label: str
    case_ids: tuple[str, ...]
    values: NDArray[np.float64]

    @property
    def pooled(self) -> NDArray[np.float64]:
        """[n] mean over seeds."""
        return np.asarray(self.values.mean(axis=0), dtype=np.float64)


def all_case_tables(results: Results, protocol: str, tasks: Sequence[str]) -> list[ResultTable]:
    """The table of each task under a protocol, over all its cases. `tasks`: all when empty.

    Raises ConfigError for a task or protocol that the store has nothing of.
    """
    there = {
        (table.task, table.protocol): table
        for table in results.tables
        if not table.subgroup and table.task in results.plan.tasks
    }
    protocols = list(dict.fromkeys(p for _, p in there))
    if protocol not in protocols:
        raise ConfigError(
            f"suite {results.plan.suite!r} has no results under protocol {protocol!r}",
            f"choose one of: {', '.join(protocols) or 'none was run'}",
        )
    names = [task for task in results.plan.tasks if (task, protocol) in there]
    for task in tasks:
        if task not in names:
            raise ConfigError(
                f"suite {results.plan.suite!r} has no task {task!r} under {protocol!r}",
                f"choose of: {', '.join(names)}",
            )
    return [there[name, protocol] for name in dict.fromkeys(tasks or names)]


def read_case_values(
    store: Store, suite: str, table: ResultTable, metric: str, labels: Sequence[str]
) -> list[CaseValues]:
    """Values of each of `labels`, complete rows of `table`, over the same cases.

    Raises StoreError where case sets differ, ConfigError where there is nothing to read.
    """
    rows = {row.label: row for row in table.rows}
    found: list[CaseValues] = []
    for label in labels:
        ids: tuple[str, ...] | None = None
        seeds = []
        for run_id in rows[label].run_ids:
            frame = store.run(suite, table.task, label, run_id).metrics()
            own = frame.filter(pl.col("protocol") == table.protocol, pl.col("metric") == metric)
            own = own.drop_nulls("value").sort("case_id")
            if own.is_empty():
                known = frame.filter(pl.col("protocol") == table.protocol)["metric"]
                raise ConfigError(
                    f"{table.task}: {label} has no values of {metric!r} case by case",
                    f"choose of: {', '.join(known.unique(maintain_order=True))}",
                )
            seed_ids = tuple(own["case_id"])
            _check(f"{label}, its seeds", ids or seed_ids, seed_ids, suite, table.task)
            ids = seed_ids
            seeds.append(own["value"].to_numpy())
        values = CaseValues(label, ids or (), np.array(seeds, dtype=np.float64))
        if found:
            _check(
                f"{found[0].label} and {label}",
                found[0].case_ids,
                values.case_ids,
                suite,
                table.task,
            )
        found.append(values)
    return found


def _check(who: str, a: tuple[str, ...], b: tuple[str, ...], suite: str, task: str) -> None:
    """Pairing needs the same cases; leaving out what one lacks would choose among the cases."""
    if a == b:
        return
    only_a, only_b = sorted(set(a) - set(b)), sorted(set(b) - set(a))
    example = (only_a or only_b)[0]
    raise StoreError(
        f"{task}: {who}: have values of different cases: {len(only_a)} and {len(only_b)} without a"
        f" counterpart of {len(a)} and {len(b)}, e.g. {example!r}",
        f"run both again on the same cases: benchkit run --suite {suite} --overwrite always",
    )
