"""From the run store to table rows: seeds pooled, intervals, chance, and the marks."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np
import polars as pl

from benchkit.errors import StoreError
from benchkit.records import Manifest, Plan, PlannedRow
from benchkit.report.model import Cell, Results, Row, Table
from benchkit.report.parts import bucket_table, drop_table
from benchkit.stats.bootstrap import mean_interval
from benchkit.stats.multiple import holm
from benchkit.store import Run, Store


def collect(store: Store, suite: str) -> Results:
    """Read everything that the plan of `suite` names. Raises StoreError when there is no plan."""
    plan = store.plan(suite)
    if plan is None:
        raise StoreError(
            f"store {store.root}: suite {suite!r} has not been run",
            f"benchkit run --suite {suite} --out {store.root}"
            + (f"   (here: {', '.join(store.suites())})" if store.suites() else ""),
        )
    whole = [
        _table(store, plan, task, protocol) for task in plan.tasks for protocol in plan.protocols
    ]
    buckets = [
        bucket_table(store, plan, table, bucket)
        for table in whole
        for bucket in plan.history_buckets
    ]
    drops = [
        drop_table(first, second)
        for pair in plan.drops
        for protocol in plan.protocols
        for first in whole
        for second in whole
        if (first.task, second.task) == pair and first.protocol == second.protocol == protocol
    ]
    tables = (*whole, *buckets, *drops)
    return Results(plan, tuple(table for table in tables if table.rows))


def _table(store: Store, plan: Plan, task: str, protocol: str) -> Table:
    rows: list[Row] = []
    chance: dict[str, float] = {}
    questions: dict[str, list[str]] = {}
    for label in plan.labels:
        planned = [row for row in plan.rows if (row.task, row.label) == (task, label)]
        if not planned:
            continue
        row, manifests = _row(store, plan, planned, protocol)
        rows.append(row)
        for manifest in manifests:
            lines = (line for line in manifest.summary if line.protocol == protocol)
            chance |= {line.metric: line.chance for line in lines if line.chance is not None}
            questions.setdefault(str(manifest.identity["test"]), []).append(label)
    notes = []
    if len(questions) > 1:
        # Different questions cannot stand in one table; the newest are those the plan meant.
        raise StoreError(
            f"suite {plan.suite!r}, {task}: rows were asked different cases: "
            + "; ".join(f"{', '.join(dict.fromkeys(v))} ({k[:8]})" for k, v in questions.items()),
            f"run the whole suite again: benchkit run --suite {plan.suite}",
        )
    if any(row.status != "complete" for row in rows):
        notes.append("Rows without figures are no results; the reason stands in their place.")
    return Table(task, protocol, "", chance, tuple(_marked(rows, chance)), tuple(notes))


def _row(
    store: Store, plan: Plan, planned: Sequence[PlannedRow], protocol: str
) -> tuple[Row, list[Manifest]]:
    first = planned[-1]
    empty = Row(first.task, protocol, first.label, first.family, status="")
    reasons = [row.left_out for row in planned if row.left_out]
    if reasons:
        return replace(empty, status=reasons[0]), []
    runs, manifests = [], []
    for row in planned:
        run = store.run(plan.suite, row.task, row.label, row.run_id or "")
        manifest = run.manifest()
        seed = f" (seed {row.seed})" if len(planned) > 1 else ""
        if manifest is None:
            return replace(empty, status=f"not run{seed}"), []
        if manifest.status != "complete":
            return replace(empty, status=f"{_unfinished(store, manifest)}{seed}"), []
        runs.append(run)
        manifests.append(manifest)
    if len({manifest.row_id for manifest in manifests}) > 1:
        return replace(empty, status="its seeds are of different versions: run them again"), []
    return (
        replace(
            empty,
            status="complete",
            seeds=tuple(manifest.seed for manifest in manifests),
            run_ids=tuple(manifest.run_id for manifest in manifests),
            cells=_cells(runs, manifests, protocol),
            cost={
                name: float(np.mean([manifest.cost[name] for manifest in manifests]))
                for name in manifests[0].cost
            },
        ),
        manifests,
    )


def _unfinished(store: Store, manifest: Manifest) -> str:
    if manifest.status == "failed":
        return f"failed: {str(manifest.error).partition(chr(10))[0]}"
    return "running" if store.held(manifest.run_id) else "interrupted"


def _cells(runs: Sequence[Run], manifests: Sequence[Manifest], protocol: str) -> dict[str, Cell]:
    """With several seeds a case's value is its mean over them; the interval is over users."""
    lines = [[s for s in manifest.summary if s.protocol == protocol] for manifest in manifests]
    if len(runs) == 1:
        return {s.metric: Cell(s.mean, s.low, s.high, s.n, s.p_chance) for s in lines[0]}
    pooled = _pooled(runs, protocol)
    cells = {}
    for index, line in enumerate(lines[0]):
        mean = float(np.mean([seed[index].mean for seed in lines]))
        if line.metric not in pooled:
            cells[line.metric] = Cell(mean, n=line.n)
            continue
        low, high = mean_interval(pooled[line.metric])
        # The largest p of the seeds: a row is above chance if each of its seeds is.
        p = [seed[index].p_chance for seed in lines]
        largest = max((value for value in p if value is not None), default=None)
        cells[line.metric] = Cell(mean, low, high, line.n, largest)
    return cells


def _pooled(runs: Sequence[Run], protocol: str) -> dict[str, np.ndarray]:
    tables = [run.metrics().filter(pl.col("protocol") == protocol) for run in runs]
    means = (
        pl.concat(tables)
        .group_by("metric", "case_id", maintain_order=True)
        .agg(pl.col("value").mean())
    )
    return {str(key[0]): part["value"].to_numpy() for key, part in means.group_by("metric")}


def _marked(rows: Sequence[Row], metrics: Iterable[str]) -> list[Row]:
    """The rows with each metric's p values adjusted over the rows (Holm)."""
    marked = list(rows)
    for metric in metrics:
        having = [i for i, row in enumerate(rows) if metric in row.cells]
        p = [rows[i].cells[metric].p for i in having]
        adjusted = holm([np.nan if value is None else value for value in p])
        for i, value in zip(having, adjusted, strict=True):
            cell = replace(marked[i].cells[metric], p=None if np.isnan(value) else float(value))
            marked[i] = replace(marked[i], cells={**marked[i].cells, metric: cell})
    return marked
