"""The block of a table's pairwise differences."""

from collections.abc import Mapping
from typing import Any

from benchkit.report.core.case_users import read_case_users
from benchkit.report.core.labels import metric_columns, primary_metric
from benchkit.report.core.method_runs import MethodRuns
from benchkit.report.core.results import ResultTable
from benchkit.report.incremental.memo import Memo
from benchkit.report.incremental.run_inputs import hash_run_tables
from benchkit.report.site import pairwise
from benchkit.runs.records import PlanRecord


def build_pairs(
    plan: PlanRecord,
    table: ResultTable,
    method_runs: Mapping[tuple[str, str], MethodRuns],
    memo: Memo,
) -> dict[str, Any]:
    """Return the differences of a table's rows, computed now or by an earlier report.

    Returns:
        {"all": whether these are all metrics with a chance level, "metrics": as
        `pairwise.compare_row_pairs`}.
    """
    ranked = [name for name in metric_columns(plan, table) if name in table.chance]
    count = sum(bool(row.cells) for row in table.rows)
    chosen = pairwise.metrics_to_compare(ranked, primary_metric(plan, ranked), count)
    sources = [method_runs.get((row.task, row.label)) if row.cells else None for row in table.rows]
    differences = memo.recall(
        "pairs",
        lambda: [table.protocol, chosen, [s and hash_run_tables(s.runs) for s in sources]],
        lambda: _compare(table.protocol, chosen, sources),
        lambda by_metric: by_metric,
        lambda record: dict(record),
    )
    return {"all": chosen == ranked, "metrics": differences}


def _compare(protocol: str, metrics: list[str], sources: list[MethodRuns | None]) -> dict[str, Any]:
    values = [
        None
        if source is None
        else pairwise.per_case_values([run.metrics() for run in source.runs], protocol, metrics)
        for source in sources
    ]
    users = next((read_case_users(source.runs[0]) for source in sources if source), {})
    return pairwise.compare_row_pairs(metrics, values, users)
