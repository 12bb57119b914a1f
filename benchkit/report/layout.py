"""The papers' layout: a table a protocol, families as row groups, tasks as column groups."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from benchkit.report.cases import read_values
from benchkit.report.model import ALPHA, Cell, Results, Row, Table
from benchkit.report.published import Figure, beside
from benchkit.report.wording import is_at_chance
from benchkit.stats import sign_flip
from benchkit.stats.multiple import holm
from benchkit.stats.paired import tallies
from benchkit.store import Store

AVERAGE = "average"
Column = tuple[str, str]  # task and metric


@dataclass(frozen=True)
class Line:
    """One method over all tasks.

    cells: by column; those of a task that is not complete are missing, and then there is no
    average. missing: task -> why. at_chance: tasks where it is not above chance.
    significant: columns where it is the best, and better than every rival after correction.
    published: what papers print for it, by column. remarks: what a reader must know of it.
    """

    label: str
    family: str
    cells: Mapping[Column, Cell]
    missing: Mapping[str, str]
    at_chance: frozenset[str]
    significant: frozenset[Column] = frozenset()
    published: Mapping[Column, Figure] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True)
class Layout:
    """All methods and tasks under one protocol. chance: by column."""

    protocol: str
    tasks: tuple[str, ...]
    metrics: tuple[str, ...]
    lines: tuple[Line, ...]
    chance: Mapping[Column, float]

    @property
    def columns(self) -> tuple[Column, ...]:
        """Tasks in order, each with all metrics; the average over several tasks last."""
        tasks = (*self.tasks, AVERAGE) if len(self.tasks) > 1 else self.tasks
        return tuple((task, metric) for task in tasks for metric in self.metrics)

    def families(self) -> Iterator[tuple[str, list[Line]]]:
        """Families with their lines, both in the order of the suite."""
        groups: dict[str, list[Line]] = {}
        for line in self.lines:
            groups.setdefault(line.family, []).append(line)
        yield from groups.items()

    def places(self, column: Column) -> dict[str, int]:
        """Label -> 1 for the best of a column and 2 for the second; equal values share a place."""
        means = {line.label: line.cells[column].mean for line in self.lines if column in line.cells}
        best = sorted(set(means.values()), reverse=True)[:2]
        return {label: best.index(mean) + 1 for label, mean in means.items() if mean in best}


def layouts(
    results: Results, store: Store | None = None, figures: Sequence[Figure] = ()
) -> list[Layout]:
    """One layout for each protocol of the suite, over whole tasks.

    store: where per-case values are; with it, the best of a column is tested against its rivals.
    figures: published ones to stand beside ours.
    """
    protocols = dict.fromkeys(table.protocol for table in results.tables)
    made = [_layout(results, protocol, store, figures) for protocol in protocols]
    return [layout for layout in made if layout.lines]


def _layout(
    results: Results, protocol: str, store: Store | None, figures: Sequence[Figure]
) -> Layout:
    tables = {
        table.task: table
        for table in results.tables
        if table.protocol == protocol and not table.part and table.task in results.plan.tasks
    }
    metrics = tuple(
        name for name in results.plan.metrics if any(name in t.chance for t in tables.values())
    )
    significant = _significant(results, tables, metrics, store) if store else {}
    lines = []
    for label in results.plan.labels:
        rows = {
            task: row for task, table in tables.items() for row in table.rows if row.label == label
        }
        if rows:
            lines.append(_line(results, rows, tuple(tables), metrics, significant, figures))
    chance = {
        (task, metric): table.chance[metric]
        for task, table in tables.items()
        for metric in metrics
        if metric in table.chance
    }
    return Layout(
        protocol, tuple(tables), metrics, tuple(lines), chance | _averaged(chance, metrics)
    )


def _line(
    results: Results,
    rows: Mapping[str, Row],
    tasks: Sequence[str],
    metrics: Sequence[str],
    significant: Mapping[Column, str],
    figures: Sequence[Figure],
) -> Line:
    first = next(iter(rows.values()))
    cells: dict[Column, Cell] = {
        (task, metric): row.cells[metric]
        for task, row in rows.items()
        for metric in metrics
        if metric in row.cells
    }
    missing = {
        task: (rows[task].status if task in rows else "not asked for")
        for task in tasks
        if task not in rows or not rows[task].cells
    }
    if not missing and len(tasks) > 1:
        for metric in metrics:
            means = [cells[task, metric].mean for task in tasks if (task, metric) in cells]
            if len(means) == len(tasks):
                cells[AVERAGE, metric] = Cell(float(np.mean(means)))
    printed = {
        (task, metric): found[0]
        for task in tasks
        for metric, found in beside(figures, task, first.label).items()
        if metric in metrics
    }
    return Line(
        first.label,
        first.family,
        cells,
        missing,
        frozenset(task for task, row in rows.items() if is_at_chance(row, results.plan)),
        frozenset(column for column, label in significant.items() if label == first.label),
        printed,
        tuple(dict.fromkeys(remark for row in rows.values() for remark in row.remarks)),
    )


def _averaged(chance: Mapping[Column, float], metrics: Sequence[str]) -> dict[Column, float]:
    tasks = dict.fromkeys(task for task, _ in chance)
    if len(tasks) < 2:
        return {}
    return {
        (AVERAGE, metric): float(np.mean([chance[task, metric] for task in tasks]))
        for metric in metrics
        if all((task, metric) in chance for task in tasks)
    }


def _significant(
    results: Results, tables: Mapping[str, Table], metrics: Sequence[str], store: Store
) -> dict[Column, str]:
    """The best method of a column where it is better than each other one: paired permutation
    tests, Holm over all comparisons of the table (every column and rival)."""
    tested: list[tuple[Column, str]] = []
    p: list[float] = []
    for task, table in tables.items():
        for metric in metrics:
            labels = [row.label for row in table.rows if metric in row.cells]
            if len(labels) < 2:
                continue
            means = {row.label: row.cells[metric].mean for row in table.rows if metric in row.cells}
            best = max(labels, key=lambda label: means[label])
            labels = [best, *(label for label in labels if label != best)]
            values = read_values(store, results.plan.suite, table, metric, labels)
            pairs = [(0, rival) for rival in range(1, len(labels))]
            found = sign_flip.p_values(tallies(np.stack([v.pooled for v in values]), pairs))
            tested += [((task, metric), best)] * len(found)
            p += map(float, found)
    adjusted = holm(p)
    worst: dict[Column, float] = {}
    for (column, _), value in zip(tested, adjusted, strict=True):
        worst[column] = max(worst.get(column, 0.0), float(value))
    labels_of = dict(tested)
    return {column: labels_of[column] for column, value in worst.items() if value < ALPHA}
