"""Read the points of a panel from the results of a suite, one function a kind of panel."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from benchkit.errors import StoreError
from benchkit.evaluation.lookup import protocol_by_name
from benchkit.report.core.cell import Cell
from benchkit.report.core.grade_results import GradeBucket, GradeRow, GradeTable
from benchkit.report.core.results import ResultRow, ResultTable, SuiteTables
from benchkit.report.experiments.declarations import FigurePanel, PanelKind
from benchkit.report.experiments.points import ALL, PanelPoint
from benchkit.report.training.diagnostics import diagnose_suite
from benchkit.report.training.trace_statistics import weight_bins
from benchkit.runs.store import Store

_HISTORY = "history of "
_RULES = "heuristic"  # the judge that needs no model


def read_points(panel: FigurePanel, results: SuiteTables, store: Store) -> list[PanelPoint]:
    """Return our points of a panel: the first row of ours where several are the same method.

    Args:
        panel: What is declared of it.
        results: The suite's tables of one protocol, and its grades.
        store: The run store, for what training left beside the runs.
    """
    points: dict[tuple[str, str], PanelPoint] = {}
    for point in _READERS[panel.kind](panel, results, store):
        present = points.setdefault((point.x, point.series), point)
        if point.cells and not present.cells:
            points[point.x, point.series] = point
    return list(points.values())


def _rows(panel: FigurePanel, results: SuiteTables, store: Store) -> Iterator[PanelPoint]:  # noqa: ARG001
    cells: dict[str, dict[str, Mapping[str, Cell]]] = {}
    for task, row, key, series in _matching_rows(panel, results):
        point = _point(panel, key, ", ".join(filter(None, (task, series))), row)
        yield point
        cells.setdefault(key, {}).setdefault(task, point.cells)
    if panel.pooled:
        yield from _means_over_tasks(cells)


def _history(panel: FigurePanel, results: SuiteTables, store: Store) -> Iterator[PanelPoint]:  # noqa: ARG001
    for table in results.tables:
        if table.subgroup.startswith(_HISTORY) and _is_of(panel, table):
            for row in table.rows:
                if match := panel.find_x(row.label):
                    yield _point(panel, table.subgroup.removeprefix(_HISTORY), match[0], row)


def _costs(panel: FigurePanel, results: SuiteTables, store: Store) -> Iterator[PanelPoint]:  # noqa: ARG001
    """Yield the time of an answer, in milliseconds; over several tasks also the mean."""
    by_task: dict[str, dict[str, Mapping[str, Cell]]] = {}
    for task, row, key, _ in _matching_rows(panel, results):
        n = max((cell.n for cell in row.cells.values()), default=0)
        seconds = row.cost.get(f"{protocol_by_name(row.protocol).name}_seconds")
        cells = {"latency": Cell(1000 * seconds / n, n=n)} if n and seconds is not None else {}
        yield replace(_point(panel, key, task, row), cells=cells)
        by_task.setdefault(key, {}).setdefault(task, cells)
    yield from _means_over_tasks(by_task)


def _grades(panel: FigurePanel, results: SuiteTables, store: Store) -> Iterator[PanelPoint]:  # noqa: ARG001
    """Yield the share of each grade; over several tasks also the mean of their shares."""
    cells: dict[str, dict[str, Mapping[str, Cell]]] = {}
    for task, row in _grade_rows(panel, results):
        if (match := panel.find_x(row.label)) is None:
            continue
        shares = {f"{grade:g}": Cell(share, n=row.n_answers) for grade, share in row.shares.items()}
        yield PanelPoint(match[0], task, shares, label=row.label, status=row.status)
        of_key = cells.setdefault(match[0], {})
        of_key[task] = of_key.get(task) or shares
    yield from _means_over_tasks(cells, {task for task, _ in _grade_rows(panel, results)})


def _means_over_tasks(
    cells: Mapping[str, Mapping[str, Mapping[str, Cell]]], tasks: Collection[str] = ()
) -> Iterator[PanelPoint]:
    """Yield the mean over tasks of each x that has results on all of several.

    Args:
        cells: x -> task -> column -> cell.
        tasks: The tasks, by default those of any x.
    """
    tasks = tasks or {task for of_x in cells.values() for task in of_x}
    for x, of_x in cells.items():
        each = list(of_x.values())
        if len(tasks) > 1 and len(each) == len(tasks) and all(each):
            names = [name for name in each[0] if all(name in c for c in each)]
            means = {n: Cell(float(np.mean([c[n].mean for c in each]))) for n in names}
            yield PanelPoint(x, ALL, means)


def _grades_by_history(
    panel: FigurePanel,
    results: SuiteTables,
    store: Store,  # noqa: ARG001
) -> Iterator[PanelPoint]:
    """Yield the grades of each bucket; over several tasks also those of all their answers."""
    rows = [
        (task, row)
        for task, row in _grade_rows(panel, results)
        if any(panel.is_row(key, row.label) for key in panel.labels)
    ]
    buckets: dict[str, list[GradeBucket]] = {}
    for task, row in rows:
        for bucket in row.buckets:
            x = f"{bucket.low}+" if bucket.high is None else f"{bucket.low}-{bucket.high}"
            yield PanelPoint(x, task, _bucket_cells(bucket), label=row.label)
            buckets.setdefault(x, []).append(bucket)
    if len({task for task, _ in rows}) > 1:
        for x, each in buckets.items():
            yield PanelPoint(x, ALL, _bucket_cells(_pool_buckets(each)))


def _bucket_cells(bucket: GradeBucket) -> dict[str, Cell]:
    values = {"n": float(bucket.n), "mean": bucket.mean, "sd": bucket.sd}
    return {name: Cell(value) for name, value in values.items() if value is not None and bucket.n}


def _pool_buckets(buckets: Sequence[GradeBucket]) -> GradeBucket:
    """Return the bucket of all their answers, with the mean and the deviation of these."""
    n = sum(bucket.n for bucket in buckets)
    known = [(b.n, b.mean, b.sd or 0.0) for b in buckets if b.mean is not None]
    count = sum(size for size, _, _ in known)
    mean = sum(size * average for size, average, _ in known) / count if count else None
    if mean is None or count < 2:
        return replace(buckets[0], n=n, mean=mean, sd=None)
    squares = sum((size - 1) * sd**2 + size * (average - mean) ** 2 for size, average, sd in known)
    return replace(buckets[0], n=n, mean=mean, sd=float(np.sqrt(squares / (count - 1))))


def _weights(panel: FigurePanel, results: SuiteTables, store: Store) -> Iterator[PanelPoint]:
    try:
        diagnoses = diagnose_suite(store, results.plan.suite).diagnoses
    except StoreError as error:
        if "nothing to diagnose" in error.cause:  # no run left a training record
            return
        raise
    for diagnosis in diagnoses:
        if panel.find_x(diagnosis.label) is None:
            continue
        for one in weight_bins(diagnosis.trace):
            if one.phase != "end" or one.mean is None or one.median is None:
                continue
            values = {"count": float(one.count), "mean": one.mean, "median": one.median}
            cells = {name: Cell(value) for name, value in values.items()}
            yield PanelPoint(f"{one.low + 0.5:g}", diagnosis.task, cells, label=diagnosis.label)


_READERS: dict[PanelKind, Callable[[FigurePanel, SuiteTables, Store], Iterator[PanelPoint]]] = {
    "rows": _rows,
    "history": _history,
    "costs": _costs,
    "grades": _grades,
    "grades-by-history": _grades_by_history,
    "weights": _weights,
}


def _matching_rows(
    panel: FigurePanel, results: SuiteTables, subgroup: str = ""
) -> Iterator[tuple[str, ResultRow, str, str]]:
    """Yield (domain, row, x, series) of the rows that the panel has."""
    for table in results.tables:
        if table.subgroup != subgroup or not _is_of(panel, table):
            continue
        for row in table.rows:
            if match := panel.find_x(row.label):
                yield panel.domain_of(table.task), row, *match


def choose_judge(panel: FigurePanel, results: SuiteTables) -> list[GradeTable]:
    """Return the grades of the judge that a panel is of: a model or people before rules.

    Only judges whose grades are the panel's; of several, the first of the suite.
    """
    wanted = {float(column.name) for column in panel.columns if column.name.isdigit()}
    judges: dict[str, list[GradeTable]] = {}
    for table in results.grades:
        first = table.rubric["criteria"][0]
        if not wanted or wanted == {*map(float, range(first["low"], first["high"] + 1))}:
            judges.setdefault(table.judge, []).append(table)
    by_preference = sorted(judges.values(), key=lambda tables: tables[0].judge_name == _RULES)
    return next(iter(by_preference), [])


def _grade_rows(panel: FigurePanel, results: SuiteTables) -> list[tuple[str, GradeRow]]:
    """Return (domain, row) of the grades by the panel's judge."""
    tables = choose_judge(panel, results)
    return [(panel.domain_of(table.task), row) for table in tables for row in table.rows]


def _is_of(panel: FigurePanel, table: ResultTable) -> bool:
    """Return whether a task is shown: one of the panel's, or other data that have its metrics."""
    if not panel.domains or panel.domain_of(table.task) in panel.domains:
        return True
    names = {column.name for column in panel.columns}
    return any(names & set(row.cells) for row in table.rows)


def _point(panel: FigurePanel, x: str, series: str, row: ResultRow) -> PanelPoint:
    names = [column.name for column in panel.columns]
    cells = {name: row.cells[name] for name in names if name in row.cells}
    return PanelPoint(x, series, cells, protocol=row.protocol, label=row.label, status=row.status)
