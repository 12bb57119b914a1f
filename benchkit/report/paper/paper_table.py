"""The papers' layout: a table a protocol, families as row groups, tasks as column groups."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from benchkit.evaluation.lookup import recorded_protocol
from benchkit.report.core.case_values import read_case_values
from benchkit.report.core.cell import SIGNIFICANCE_LEVEL, Cell
from benchkit.report.core.labels import is_at_chance, seed_notes
from benchkit.report.core.results import ResultRow, Results, ResultTable
from benchkit.report.paper.published_values import PublishedValue, match_published
from benchkit.runs.store import Store
from benchkit.stats.multiple_testing import holm
from benchkit.stats.paired import paired_p_values

AVERAGE = "average"
PaperColumn = tuple[str, str]  # task and metric


@dataclass(frozen=True)
class PaperRow:
    """One method over all tasks.

    cells: by column; those of a task that is not complete are missing, and then there is no
    average. missing: task -> why. at_chance: tasks where it is not above chance.
    significant: columns where it is the best, and better than every rival after correction.
    published: what papers print for it, by column. caveats: what a reader must know of it.
    external: whether it was imported.
    """

    label: str
    family: str
    cells: Mapping[PaperColumn, Cell]
    missing_reasons: Mapping[str, str]
    at_chance: frozenset[str]
    significant: frozenset[PaperColumn] = frozenset()
    published: Mapping[PaperColumn, PublishedValue] = field(default_factory=dict)
    caveats: tuple[str, ...] = ()
    external: bool = False


@dataclass(frozen=True)
class PaperTable:
    """All methods and tasks under one protocol.

    columns: a task's lie together; those of the average over several tasks are last. chance: by
    column. tests: what the tests of significance are over, in words. shape: the published table
    whose methods and columns these are, if any, and unit: what its figures are printed in
    (`percent`, `ratio`). notes: more to be said.
    """

    protocol: str
    columns: tuple[PaperColumn, ...]
    rows: tuple[PaperRow, ...]
    chance: Mapping[PaperColumn, float]
    test_notes: tuple[str, ...] = ()
    published_table: str = ""
    unit: str = ""
    notes: tuple[str, ...] = ()

    @property
    def tasks(self) -> tuple[str, ...]:
        """Without the average."""
        return tuple(dict.fromkeys(task for task, _ in self.columns if task != AVERAGE))

    def families(self) -> Iterator[tuple[str, list[PaperRow]]]:
        """Families with their lines, both in the order of the suite."""
        groups: dict[str, list[PaperRow]] = {}
        for line in self.rows:
            groups.setdefault(line.family, []).append(line)
        yield from groups.items()

    def top_ranks(self, column: PaperColumn) -> dict[str, int]:
        """Label -> 1 for the best of a column and 2 for the second; equal values share a place."""
        means = {line.label: line.cells[column].mean for line in self.rows if column in line.cells}
        best = sorted(set(means.values()), reverse=True)[:2]
        return {label: best.index(mean) + 1 for label, mean in means.items() if mean in best}


def build_paper_tables(
    results: Results, store: Store | None = None, figures: Sequence[PublishedValue] = ()
) -> list[PaperTable]:
    """One layout for each protocol of the suite, over whole tasks.

    store: where per-case values are; with it, the best of a column is tested against its rivals.
    figures: published ones to stand beside ours.
    """
    protocols = dict.fromkeys(table.protocol for table in results.tables)
    made = [build_paper_table(results, protocol, store, figures) for protocol in protocols]
    return [layout for layout in made if layout.rows]


def build_paper_table(
    results: Results,
    protocol: str,
    store: Store | None = None,
    figures: Sequence[PublishedValue] = (),
    metrics: Sequence[str] = (),
) -> PaperTable:
    """The layout of one protocol. metrics: by default those of the suite that rank.

    Published figures are of a list of candidates and never stand beside the whole catalogue. There
    is no average over tasks whose drops are reported: they are of different kinds.
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
    if not recorded_protocol(protocol).ranks_candidates:
        figures = ()
    lines = []
    for label in results.plan.labels:
        rows = {
            task: row for task, table in tables.items() for row in table.rows if row.label == label
        }
        if rows:
            line = _line(results, rows, tuple(tables), metrics, significant, figures)
            means = _averages({c: cell.mean for c, cell in line.cells.items()}, averaged, metrics)
            cells = {**line.cells, **{column: Cell(mean) for column, mean in means.items()}}
            lines.append(replace(line, cells=cells))
    chance = {
        (task, metric): table.chance[metric]
        for task, table in tables.items()
        for metric in metrics
        if metric in table.chance
    }
    columns = [
        (task, metric)
        for task, table in tables.items()
        for metric in metrics
        if metric in table.chance or not table.chance  # a task of which nothing is complete yet
    ]
    means = _averages(chance, averaged, metrics)
    columns += means
    return PaperTable(protocol, tuple(columns), tuple(lines), chance | means, tests)


def _line(
    results: Results,
    rows: Mapping[str, ResultRow],
    tasks: Sequence[str],
    metrics: Sequence[str],
    significant: Mapping[PaperColumn, str],
    figures: Sequence[PublishedValue],
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
        (task, metric): found[0]
        for task in tasks
        for metric, found in match_published(figures, task, first.label).items()
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
        tuple(dict.fromkeys(remark for row in rows.values() for remark in row.caveats)),
        any(row.external for row in rows.values()),
    )


def _averages(
    values: Mapping[PaperColumn, float], tasks: Sequence[str], metrics: Sequence[str]
) -> dict[PaperColumn, float]:
    """The mean over `tasks`, if there are any, of each metric that all of them have."""
    return {
        (AVERAGE, metric): float(np.mean([values[task, metric] for task in tasks]))
        for metric in metrics
        if tasks and all((task, metric) in values for task in tasks)
    }


def _significant(
    results: Results, tables: Mapping[str, ResultTable], metrics: Sequence[str], store: Store
) -> tuple[dict[PaperColumn, str], tuple[str, ...]]:
    """The best method of a column where it is better than each other one, Holm over all
    comparisons of the table (every column and rival); and what they are over, in words."""
    tested: list[tuple[PaperColumn, str]] = []
    seeds: list[tuple[int, int]] = []
    p: list[float] = []
    for task, table in tables.items():
        for metric in metrics:
            labels = [row.label for row in table.rows if metric in row.cells]
            if len(labels) < 2:
                continue
            means = {row.label: row.cells[metric].mean for row in table.rows if metric in row.cells}
            best = max(labels, key=lambda label: means[label])
            labels = [best, *(label for label in labels if label != best)]
            values = read_case_values(store, results.plan.suite, table, metric, labels)
            pairs = [(0, rival) for rival in range(1, len(labels))]
            p += paired_p_values([v.values for v in values], pairs)
            tested += [((task, metric), best)] * len(pairs)
            seeds += [(len(values[a].values), len(values[b].values)) for a, b in pairs]
    adjusted = holm(p)
    worst: dict[PaperColumn, float] = {}
    for (column, _), value in zip(tested, adjusted, strict=True):
        worst[column] = max(worst.get(column, 0.0), float(value))
    labels_of = dict(tested)
    best_of = {
        column: labels_of[column] for column, value in worst.items() if value < SIGNIFICANCE_LEVEL
    }
    return best_of, tuple(seed_notes(seeds))
