"""Collect the results of a suite from the run store: seeds pooled, intervals, chance, marks."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np
import polars as pl
from numpy.typing import NDArray

from benchkit.errors import DamageError, StoreError, in_one_line
from benchkit.evaluation.lookup import protocol_by_name
from benchkit.evaluation.protocols.base import ProtocolTable
from benchkit.report.calibration.people_labels import PeopleLabels
from benchkit.report.core.case_users import case_clusters, counts_cases_as_users, read_case_users
from benchkit.report.core.cell import Cell
from benchkit.report.core.empty_tables import omit_empty_buckets, omit_equal_tables
from benchkit.report.core.results import ResultRow, ResultTable, SuiteTables
from benchkit.report.core.subgroups import history_bucket_table, relative_drop_table
from benchkit.report.grades.collection import collect_grades
from benchkit.report.incremental.cell_records import decode_cells, encode_cells
from benchkit.report.incremental.memo import store_memo
from benchkit.report.incremental.run_inputs import hash_run_tables
from benchkit.runs.records import Manifest, PlannedRow, PlanRecord, has_checksums
from benchkit.runs.store import Run, Store
from benchkit.stats.bootstrap import mean_interval
from benchkit.stats.clusters import count_clusters
from benchkit.stats.multiple_testing import holm

_OUTDATED = (
    "run by an older benchkit, which took the cases of a user as independent: its interval is"
    " computed anew over users (case x#2 as one of user x), its test of chance is left out; run it"
    " again"
)
_TOLERANCE = 1e-9  # of a mean over seeds and cases, whichever is taken first
_DIFFERENT = {"test": "were evaluated on different cases", "decoding": "were sampled differently"}


def collect_results(store: Store, suite: str, labels: PeopleLabels | None = None) -> SuiteTables:
    """Read everything that the plan of a suite names. Raises StoreError when there is no plan.

    labels: people's grades, by which those of judges are corrected.
    """
    plan = store.require_plan(suite)
    whole = [
        _table(store, plan, task, protocol)
        for task in plan.tasks
        for name in plan.protocols
        for protocol in protocol_by_name(name).tables
    ]
    buckets = [
        history_bucket_table(store, plan, table, bucket)
        for table in whole
        for bucket in plan.history_buckets
    ]
    drops = [
        relative_drop_table(first, second)
        for pair in plan.relative_drops
        for protocol in plan.protocols
        for first in whole
        for second in whole
        if (first.task, second.task) == pair and first.protocol == second.protocol == protocol
    ]
    whole, buckets = omit_empty_buckets(whole, buckets)
    tables = [table for table in (*whole, *buckets, *drops) if table.rows]
    return SuiteTables(plan, tuple(omit_equal_tables(tables)), collect_grades(store, plan, labels))


def _table(store: Store, plan: PlanRecord, task: str, protocol_table: ProtocolTable) -> ResultTable:
    protocol = protocol_table.name
    recorded = protocol_by_name(protocol)
    rows: list[ResultRow] = []
    unsupported: list[str] = []
    manifests: list[Manifest] = []
    for label in plan.labels:
        planned = [row for row in plan.rows if (row.task, row.label) == (task, label)]
        if not planned:
            continue
        if not _belongs(planned[-1], plan, protocol):
            unsupported.append(label)
            continue
        row, row_manifests = _row(store, plan, planned, protocol)
        if protocol_table.derived_from and not row_manifests:
            continue
        rows.append(row)
        manifests += row_manifests
    for what in ("test", "decoding") if recorded.uses_decoding else ("test",):
        _check_same(manifests, what, plan, task)
    lines = [s for m in manifests for s in m.summary if s.protocol == protocol]
    chance = {line.metric: line.chance for line in lines if line.chance is not None}
    notes = []
    if unsupported:
        notes.append(f"{recorded.unsupported_note}: {', '.join(unsupported)}.")
    if any(row.status != "complete" for row in rows):
        notes.append("A row without figures is not a result; it shows the reason instead.")
    if unprotected := [m.label for m in manifests if not has_checksums(m.schema_version)]:
        notes.append(
            "Recorded by an older benchkit without checksums, so that damage cannot be found:"
            f" {', '.join(dict.fromkeys(unprotected))}."
        )
    if chance and any(row.external for row in rows):
        notes.append(
            "External rows do not change the marks of the others: Holm is over the rows run here,"
            " and for each external row over these and itself."
        )
    decoding = manifests[0].identity["decoding"] if recorded.uses_decoding and manifests else {}
    return ResultTable(
        task, protocol, "", chance, tuple(_mark_rows(rows, chance)), tuple(notes), decoding
    )


def _belongs(planned: PlannedRow, plan: PlanRecord, protocol: str) -> bool:
    """Return whether a row is in the table of a protocol.

    One that supports none of the suite's is in the first table, with its reason.
    """
    none = set(plan.protocols) <= set(planned.unsupported)
    return protocol not in planned.unsupported or (none and protocol == plan.protocols[0])


def _check_same(manifests: Sequence[Manifest], what: str, plan: PlanRecord, task: str) -> None:
    """Raise StoreError where rows differ in `what`: they cannot be in one table."""
    labels: dict[str, list[str]] = {}
    for manifest in manifests:
        value = manifest.test_fingerprint if what == "test" else manifest.identity[what]
        title = value[:8] if isinstance(value, str) else json.dumps(value)
        labels.setdefault(title, []).append(manifest.label)
    if len(labels) > 1:
        raise StoreError(
            f"suite {plan.suite!r}, {task}: rows {_DIFFERENT[what]}: "
            + "; ".join(f"{', '.join(dict.fromkeys(v))} ({k})" for k, v in labels.items()),
            f"run the whole suite again: benchkit run --suite {plan.suite}",
        )


def _row(
    store: Store, plan: PlanRecord, planned: Sequence[PlannedRow], protocol: str
) -> tuple[ResultRow, list[Manifest]]:
    try:
        return _read_row(store, plan, planned, protocol)
    except DamageError as error:
        return replace(_empty_row(planned, protocol), status=error.row_status), []


def _empty_row(planned: Sequence[PlannedRow], protocol: str) -> ResultRow:
    first = planned[-1]
    return ResultRow(first.task, protocol, first.label, first.family, "", caveats=first.caveats)


def _read_row(
    store: Store, plan: PlanRecord, planned: Sequence[PlannedRow], protocol: str
) -> tuple[ResultRow, list[Manifest]]:
    """Return the row with its figures, or why it has none. Raises DamageError."""
    empty = _empty_row(planned, protocol)
    reasons = [row.skip_reason for row in planned if row.skip_reason]
    if reasons:
        return replace(empty, status=reasons[0]), []
    runs, manifests = [], []
    for row in planned:
        run = store.run(plan.suite, row.task, row.label, row.run_id or "")
        manifest = run.manifest()
        seed = f" (seed {row.seed})" if len(planned) > 1 else ""
        if manifest is None:
            return replace(empty, status=f"not run{seed}"), []
        _check_plan(row, manifest)
        if manifest.status != "complete":
            return replace(empty, status=f"{_unfinished(store, manifest)}{seed}"), []
        runs.append(run)
        manifests.append(manifest)
    if not all(any(s.protocol == protocol for s in m.summary) for m in manifests):
        return replace(empty, status="not run under this protocol"), []
    if stale := [m.seed for m in manifests if m.row_id != manifests[-1].row_id]:
        return replace(empty, status=_stale(stale, manifests[-1].seed)), []
    is_outdated = any(counts_cases_as_users(*pair) for pair in zip(runs, manifests, strict=True))
    caveats = [caveat for manifest in manifests for caveat in manifest.caveats]
    return (
        replace(
            empty,
            status="complete",
            seeds=tuple(manifest.seed for manifest in manifests),
            run_ids=tuple(manifest.run_id for manifest in manifests),
            cells=_recall_cells(store, runs, manifests, protocol, is_outdated),
            cost={
                name: float(np.mean([manifest.cost[name] for manifest in manifests]))
                for name in manifests[0].cost
                if all(name in manifest.cost for manifest in manifests)  # an older one has fewer
            },
            caveats=tuple(dict.fromkeys([*caveats, *[_OUTDATED] * is_outdated])),
            device=", ".join(dict.fromkeys(str(m.identity.get("device", "")) for m in manifests)),
            external=any(manifest.is_external for manifest in manifests),
        ),
        manifests,
    )


def _check_plan(row: PlannedRow, manifest: Manifest) -> None:
    """Raise DamageError where a row of the plan names another run than the one it was made for."""
    planned, recorded = (row.seed, row.row_id or manifest.row_id), (manifest.seed, manifest.row_id)
    if planned != recorded:
        raise DamageError(
            f"{row.task} / {row.label}: damaged: the plan names run {manifest.run_id} for seed"
            f" {row.seed}, which is another",
            "run it again",
        )


def _stale(seeds: Sequence[int], newest: int) -> str:
    which = f"seed {seeds[0]} is" if len(seeds) == 1 else f"seeds {', '.join(map(str, seeds))} are"
    return f"{which} of another version than seed {newest}: run or import the row again"


def _unfinished(store: Store, manifest: Manifest) -> str:
    if manifest.status == "failed":
        return f"failed: {in_one_line(str(manifest.error))}"
    return "running" if store.is_locked(manifest.run_id) else "interrupted"


def _recall_cells(
    store: Store,
    runs: Sequence[Run],
    manifests: Sequence[Manifest],
    protocol: str,
    is_outdated: bool,
) -> dict[str, Cell]:
    """Return `_cells`, as an earlier report has computed them if there is anything to compute."""
    if len(runs) == 1 and not is_outdated:
        return _cells(runs, manifests, protocol, is_outdated)
    summaries = [manifest.summary for manifest in manifests]
    return store_memo(store).recall(
        "pooled",
        lambda: [protocol, is_outdated, summaries, hash_run_tables(runs)],
        lambda: _cells(runs, manifests, protocol, is_outdated),
        encode_cells,
        decode_cells,
    )


def _cells(
    runs: Sequence[Run], manifests: Sequence[Manifest], protocol: str, is_outdated: bool
) -> dict[str, Cell]:
    """Average each case over its seeds, and compute the interval over users.

    is_outdated: whether what the manifests say of intervals and chance is of another kind.
    """
    lines = [[s for s in manifest.summary if s.protocol == protocol] for manifest in manifests]
    if len(runs) == 1 and not is_outdated:
        return {s.metric: Cell(s.mean, s.low, s.high, s.n, s.p_chance, s.users) for s in lines[0]}
    pooled = _pooled(runs, protocol)
    users = read_case_users(runs[0])
    cells = {}
    for line in lines[0]:
        seeds = [s for summary in lines for s in summary if s.metric == line.metric]
        if len(seeds) < len(lines):  # not defined for the answers of every seed
            continue
        mean = float(np.mean([seed.mean for seed in seeds]))
        if line.low is None:
            n_users = line.users or len(set(users.values()))
            cells[line.metric] = Cell(mean, n=line.n, n_users=n_users)
            continue
        case_ids, values = pooled.get(line.metric, ([], np.empty(0)))
        _check_mean(runs[0], line.metric, mean, values)
        clusters = case_clusters(case_ids, users)
        low, high = mean_interval(values, clusters=clusters)
        # The largest p of the seeds: a row is above chance if each of its seeds is.
        p = [seed.p_chance for seed in seeds if seed.p_chance is not None and not is_outdated]
        n_users = count_clusters(clusters, len(case_ids))
        cells[line.metric] = Cell(mean, low, high, line.n, max(p, default=None), n_users)
    return cells


def _check_mean(run: Run, metric: str, recorded: float, values: NDArray[np.float64]) -> None:
    """Raise DamageError where a figure is not the mean of its cases."""
    mean = float(np.mean(values)) if len(values) else float("nan")
    if not abs(mean - recorded) <= _TOLERANCE:
        raise DamageError(
            f"{run.path}: damaged: {metric} is {recorded:.6g}, but its cases give {mean:.6g}",
            "run it again",
        )


def _pooled(runs: Sequence[Run], protocol: str) -> dict[str, tuple[list[str], NDArray[np.float64]]]:
    """Return the cases of each metric, with their values averaged over the seeds."""
    tables = [run.metrics().filter(pl.col("protocol") == protocol) for run in runs]
    means = (
        pl.concat(tables)
        .group_by("metric", "case_id", maintain_order=True)
        .agg(pl.col("value").mean())
    )
    return {
        str(key[0]): (cases["case_id"].to_list(), cases["value"].to_numpy())
        for key, cases in means.group_by("metric")
    }


def _mark_rows(rows: Sequence[ResultRow], metrics: Iterable[str]) -> list[ResultRow]:
    """Return the rows with the p values of each metric adjusted."""
    marked = list(rows)
    for metric in metrics:
        for i, value in _adjust_p_values(rows, metric).items():
            cell = replace(marked[i].cells[metric], p=None if np.isnan(value) else value)
            marked[i] = replace(marked[i], cells={**marked[i].cells, metric: cell})
    return marked


def _adjust_p_values(rows: Sequence[ResultRow], metric: str) -> dict[int, float]:
    """Return by index of a row its p, Holm-adjusted over the rows run here; NaN for none.

    That of an external row is over these and itself, so that no number of imports can take a mark
    away.
    """
    present = [i for i, row in enumerate(rows) if metric in row.cells]
    internal = [i for i in present if not rows[i].external]

    def adjust(places: Sequence[int]) -> list[float]:
        p = [rows[i].cells[metric].p for i in places]
        return list(map(float, holm([np.nan if value is None else value for value in p])))

    p_values = dict(zip(internal, adjust(internal), strict=True))
    return p_values | {i: adjust([*internal, i])[-1] for i in present if rows[i].external}
