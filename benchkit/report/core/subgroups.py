"""Tables of a subgroup of cases, and of how far figures drop from one task to another."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import polars as pl

from benchkit.report.core.case_users import case_clusters, read_case_users
from benchkit.report.core.cell import Cell
from benchkit.report.core.empty_tables import NO_CASE
from benchkit.report.core.labels import history_bucket_title
from benchkit.report.core.results import ResultTable
from benchkit.report.incremental.cell_records import decode_cells, encode_cells
from benchkit.report.incremental.memo import store_memo
from benchkit.report.incremental.run_inputs import hash_run_tables
from benchkit.runs.records import PlanRecord
from benchkit.runs.store import Run, Store
from benchkit.stats.bootstrap import mean_interval
from benchkit.stats.clusters import count_clusters


def history_bucket_table(
    store: Store, plan: PlanRecord, table: ResultTable, bucket: Sequence[int]
) -> ResultTable:
    """Return `table` for the cases whose history has `bucket[0]` to `bucket[1]` items (or more)."""
    low, high = bucket[0], bucket[1] if len(bucket) > 1 else None
    within = pl.col("history_length") >= low
    if high is not None:
        within &= pl.col("history_length") <= high

    def recall_cells(runs: Sequence[Run]) -> dict[str, Cell]:
        return memo.recall(
            "bucket",
            lambda: [table.protocol, low, high, hash_run_tables(runs)],
            lambda: _cells(runs, table.protocol, within),
            encode_cells,
            decode_cells,
        )

    rows, memo = [], store_memo(store)
    for row in table.rows:
        runs = [store.run(plan.suite, row.task, row.label, run_id) for run_id in row.run_ids]
        cells = recall_cells(runs) if runs else {}
        status = row.status if cells or not runs else NO_CASE
        # The cost of a run is known only for all its cases together.
        rows.append(replace(row, cells=cells, status=status, cost={}))
    return replace(table, subgroup=history_bucket_title(low, high), rows=tuple(rows), notes=())


def relative_drop_table(first: ResultTable, second: ResultTable) -> ResultTable:
    """Return how much smaller each mean is in `second`, as a share of that in `first`."""
    second_rows = {row.label: row for row in second.rows}
    rows = []
    for row in first.rows:
        other = second_rows.get(row.label)
        if other is None or not (row.cells and other.cells):
            incomplete = row if not row.cells else other
            status = incomplete.status if incomplete else "not run"
            # The runs of `row` are of the first task: a row without a drop has none in the second.
            empty = replace(row, task=second.task, status=status, cells={}, cost={})
            rows.append(replace(empty, seeds=(), run_ids=()))
            continue
        cells = {
            name: Cell(1 - other.cells[name].mean / cell.mean)
            for name, cell in row.cells.items()
            if name in first.chance and name in other.cells and cell.mean > 0
        }
        rows.append(replace(row, task=second.task, cells=cells, cost={}))
    subgroup = f"relative drop from {first.task}"
    return ResultTable(second.task, first.protocol, subgroup, {}, tuple(rows), (), first.decoding)


def _cells(runs: Sequence[Run], protocol: str, within: pl.Expr) -> dict[str, Cell]:
    """Return means over the cases `within`; the value of a case is the mean over its seeds."""
    case_ids = runs[0].predictions().filter(within)["case_id"]
    users = read_case_users(runs[0])
    tables = [run.metrics().filter(pl.col("protocol") == protocol) for run in runs]
    values = (
        pl.concat(tables)
        .filter(pl.col("case_id").is_in(case_ids.implode()))
        .group_by("metric", "case_id", maintain_order=True)
        .agg(pl.col("value").mean())
    )
    cells = {}
    for (metric,), cases in values.group_by("metric", maintain_order=True):
        each = cases["value"].to_numpy()
        clusters = case_clusters(cases["case_id"].to_list(), users)
        low, high = mean_interval(each, clusters=clusters)
        n_users = count_clusters(clusters, len(each))
        cells[str(metric)] = Cell(float(np.mean(each)), low, high, len(each), n_users=n_users)
    return cells
