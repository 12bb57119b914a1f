"""The papers' layout: a table a protocol, families as row groups, tasks as column groups."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from benchkit.evaluation.lookup import protocol_by_name
from benchkit.report.core.cell import SIGNIFICANCE_LEVEL, Cell
from benchkit.report.core.labels import MIXED, is_at_chance, seed_notes
from benchkit.report.core.results import ResultRow, ResultTable, SuiteTables, chance_rows
from benchkit.report.paper.published_values import PublishedValue, match_published
from benchkit.report.paper.rival_tests import recall_rival_tests
from benchkit.runs.store import Store
from benchkit.stats.multiple_testing import holm

AVERAGE = "average"
PaperColumn = tuple[str, str]  # task and metric


@dataclass(frozen=True)
class PaperRow:
    """One method over all tasks."""

    label: str
    family: str
    cells: Mapping[PaperColumn, Cell]
    """By column. A task that is not complete has none, and then there is no average."""
    missing_reasons: Mapping[str, str]
    """Task -> why it has no cells."""
    at_chance: frozenset[str]
    """Tasks where it is not above chance."""
    significant: frozenset[PaperColumn] = frozenset()
    """Columns where it is the best, and better than every rival after correction."""
    published: Mapping[PaperColumn, PublishedValue] = field(default_factory=dict)
    """What papers print for it."""
    caveats: tuple[str, ...] = ()
    """What a reader must know of it."""
    external: bool = False
    """Whether it was imported."""
    protocols: Mapping[str, str] = field(default_factory=dict)
    """Task -> the protocol of its cells, where a table mixes them."""


@dataclass(frozen=True)
class PaperTable:
    """All methods and tasks under one protocol."""

    protocol: str
    columns: tuple[PaperColumn, ...]
    """Those of a task lie together; those of the average over tasks are last."""
    rows: tuple[PaperRow, ...]
    chance: Mapping[PaperColumn, float]
    test_notes: tuple[str, ...] = ()
    """What the tests of significance are over, in words."""
    published_table: str = ""
    """The published table whose methods and columns these are, if any."""
    unit: str = ""
    """What its figures are printed in, `percent` or `ratio`."""
    notes: tuple[str, ...] = ()
    other_chance: Mapping[str, Mapping[PaperColumn, float]] = field(default_factory=dict)
    """Chance of rows under another protocol, as in `ResultTable`."""

    @property
    def chance_rows(self) -> list[tuple[str, Mapping[PaperColumn, float]]]:
        """The levels of chance with their titles, as in `ResultTable`."""
        return chance_rows(self.chance, self.other_chance)

    def chance_of(self, row: PaperRow, column: PaperColumn) -> float | None:
        """Return the level of chance of a row's cell; None where there is none."""
        protocol = row.protocols.get(column[0], "")
        return self.other_chance.get(protocol, self.chance).get(column)

    @property
    def tasks(self) -> tuple[str, ...]:
        """The tasks, without the average."""
        return tuple(dict.fromkeys(task for task, _ in self.columns if task != AVERAGE))

    def families(self) -> Iterator[tuple[str, list[PaperRow]]]:
        """Yield the families with their rows, both in the order of the suite."""
        groups: dict[str, list[PaperRow]] = {}
        for row in self.rows:
            groups.setdefault(row.family, []).append(row)
        yield from groups.items()

    def top_ranks(self, column: PaperColumn) -> dict[str, int]:
        """Return label -> 1 for the best of a column, 2 for the second; equal ones share a rank."""
        means = {row.label: row.cells[column].mean for row in self.rows if column in row.cells}
        best = sorted(set(means.values()), reverse=True)[:2]
        return {label: best.index(mean) + 1 for label, mean in means.items() if mean in best}


def build_paper_tables(
    results: SuiteTables,
    store: Store | None = None,
    published_values: Sequence[PublishedValue] = (),
) -> list[PaperTable]:
    """Build a layout for each protocol of the suite, over all cases of its tasks.

    Args:
        results: The suite's results.
        store: Where per-case values are; with it, the best of a column is tested against its
            rivals.
        published_values: Published figures to stand beside ours.
    """
    protocols = dict.fromkeys(table.protocol for table in results.tables)
    layouts = [
        build_paper_table(results, protocol, store, published_values) for protocol in protocols
    ]
    return [layout for layout in layouts if layout.rows]


def build_paper_table(
    results: SuiteTables,
    protocol: str,
    store: Store | None = None,
    published_values: Sequence[PublishedValue] = (),
    metrics: Sequence[str] = (),
) -> PaperTable:
    """Build the layout of one protocol.

    Published figures are of a list of candidates and never stand beside the whole catalogue. There
    is no average over tasks whose drops are reported: they are of different kinds.

    Args:
        results: The suite's results.
        protocol: The protocol.
        store: As in `build_paper_tables`.
        published_values: As in `build_paper_tables`.
        metrics: The columns of each task, by default the suite's metrics that rank.
    """
    tables = {
        table.task: table
        for table in results.tables
        if table.protocol == protocol and not table.subgroup and table.task in results.plan.tasks
    }
    ranking = [
        name
        for name in metrics or results.plan.metrics
        if any(name in t.chance for t in tables.values())
    ]
    significant, tests = _significant(results, tables, ranking, store) if store else ({}, ())
    metrics = metrics or ranking
    averaged = () if len(tables) < 2 or results.plan.relative_drops else tuple(tables)
    if not protocol_by_name(protocol).ranks_candidates:
        published_values = ()
    paper_rows = []
    for label in results.plan.labels:
        rows = {
            task: row for task, table in tables.items() for row in table.rows if row.label == label
        }
        if rows:
            row = _paper_row(results, rows, tuple(tables), metrics, significant, published_values)
            means = _averages({c: cell.mean for c, cell in row.cells.items()}, averaged, metrics)
            cells = {**row.cells, **{column: Cell(mean) for column, mean in means.items()}}
            paper_rows.append(replace(row, cells=cells))
    levels: dict[str, dict[PaperColumn, float]] = {"": {}}
    for task, table in tables.items():
        for name, values in ("", table.chance), *table.other_chance.items():
            columns_of = {(task, metric): values[metric] for metric in metrics if metric in values}
            levels.setdefault(name, {}).update(columns_of)
    chance, *others = (
        {**values, **_averages(values, averaged, metrics)} for values in levels.values()
    )
    columns = [
        (task, metric)
        for task, table in tables.items()
        for metric in metrics
        if metric in table.chance or not table.chance  # a task of which nothing is complete yet
    ]
    columns += [column for column in chance if column[0] == AVERAGE]
    notes = () if protocol != MIXED else tuple(n for table in tables.values() for n in table.notes)
    return PaperTable(
        protocol,
        tuple(columns),
        tuple(paper_rows),
        chance,
        tests,
        notes=tuple(dict.fromkeys(notes)),
        other_chance=dict(zip(list(levels)[1:], others, strict=True)),
    )


def _paper_row(
    results: SuiteTables,
    rows: Mapping[str, ResultRow],
    tasks: Sequence[str],
    metrics: Sequence[str],
    significant: Mapping[PaperColumn, str],
    published_values: Sequence[PublishedValue],
) -> PaperRow:
    first = next(iter(rows.values()))
    cells = {
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
    printed = {
        (task, metric): values[0]
        for task in tasks
        for metric, values in match_published(published_values, task, first.label).items()
        if metric in metrics
    }
    return PaperRow(
        first.label,
        first.family,
        cells,
        missing,
        frozenset(task for task, row in rows.items() if is_at_chance(row, results.plan)),
        frozenset(column for column, label in significant.items() if label == first.label),
        printed,
        tuple(dict.fromkeys(caveat for row in rows.values() for caveat in row.caveats)),
        any(row.external for row in rows.values()),
        {task: row.protocol for task, row in rows.items() if row.cells},
    )


def _averages(
    values: Mapping[PaperColumn, float], tasks: Sequence[str], metrics: Sequence[str]
) -> dict[PaperColumn, float]:
    """Return the mean over `tasks`, if there are any, of each metric that all of them have."""
    return {
        (AVERAGE, metric): float(np.mean([values[task, metric] for task in tasks]))
        for metric in metrics
        if tasks and all((task, metric) in values for task in tasks)
    }


def _significant(
    results: SuiteTables, tables: Mapping[str, ResultTable], metrics: Sequence[str], store: Store
) -> tuple[dict[PaperColumn, str], tuple[str, ...]]:
    """Return the best method of each column where it is better than every rival, and test notes.

    Holm is over all comparisons of the table: every column and rival.
    """
    tested: list[tuple[PaperColumn, str]] = []
    seeds: list[tuple[int, int]] = []
    p: list[float] = []
    for task, table in tables.items():
        ordered: dict[str, list[str]] = {}
        for metric in metrics:
            labels = [row.label for row in table.rows if metric in row.cells]
            if len(labels) < 2:
                continue
            means = {row.label: row.cells[metric].mean for row in table.rows if metric in row.cells}
            best = max(labels, key=lambda label: means[label])
            ordered[metric] = [best, *(label for label in labels if label != best)]
        tests = recall_rival_tests(store, results.plan.suite, table, ordered) if ordered else {}
        for metric, of_metric in tests.items():
            p += of_metric.p
            tested += [((task, metric), ordered[metric][0])] * len(of_metric.p)
            seeds += of_metric.seeds
    adjusted = holm(p)
    worst: dict[PaperColumn, float] = {}
    for (column, _), value in zip(tested, adjusted, strict=True):
        worst[column] = max(worst.get(column, 0.0), float(value))
    labels_of = dict(tested)
    best_of = {
        column: labels_of[column] for column, value in worst.items() if value < SIGNIFICANCE_LEVEL
    }
    return best_of, tuple(seed_notes(seeds))
