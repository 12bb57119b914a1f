"""Ours in the shape of a published table: its methods, row groups, domains, metrics and unit."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

from benchkit.errors import ConfigError
from benchkit.evaluation.lookup import protocol_by_name
from benchkit.report.core.labels import MIXED
from benchkit.report.core.mixed_protocols import known_protocols, select_protocol
from benchkit.report.core.results import SuiteTables
from benchkit.report.paper.paper_table import PaperColumn, PaperRow, PaperTable, build_paper_table
from benchkit.report.paper.published_values import PublishedValue, same_method, same_name
from benchkit.runs.store import Store


def like_published(
    results: SuiteTables,
    values: Sequence[PublishedValue],
    protocol: str,
    store: Store | None = None,
    patterns: Mapping[str, str] | None = None,
    suites: Sequence[str] = (),
) -> PaperTable:
    """Build a row for each method and a column for each domain and metric, in the paper's order.

    What the suite does not have stays empty, and the notes name it.

    Args:
        results: The suite's results.
        values: All figures of one published table; they stand beside ours.
        protocol: Which of our protocols the table compares with.
        store: As in `build_paper_tables`.
        patterns: The paper's method -> pattern of our label, where the name says nothing of it.
        suites: The suites that give the table.

    Raises:
        ConfigError: The suite has no task of the table or nothing under `protocol`, or this ranks
            the whole catalogue, as no published table does.
    """
    if protocol == MIXED or "samples" in protocol_by_name(protocol).provides:
        # A ranking is always valid.
        values = [replace(v, metric=_VALID.get(v.metric, v.metric)) for v in values]
    name = f"{values[0].paper}, {values[0].table}"
    if not protocol_by_name(protocol).ranks_candidates:
        known = filter(lambda n: protocol_by_name(n).ranks_candidates, known_protocols(results))
        raise ConfigError(
            f"--protocol {protocol}: papers rank a few candidates", f"choose of: {', '.join(known)}"
        )
    results = select_protocol(results, protocol)
    tasks = _tasks(results, values)
    if not set(tasks.values()) & set(results.plan.tasks):
        raise ConfigError(
            f"suite {results.plan.suite!r} has no task of {name}",
            f"its domains are {', '.join(tasks)}"
            + "".join(f"; benchkit run --suite {suite}" for suite in suites),
        )
    columns = _columns(values, tasks)
    metrics = list(dict.fromkeys(metric for _, metric in columns))
    ours = build_paper_table(results, protocol, store, metrics=metrics)
    rows, substitutes = [], []
    for method in dict.fromkeys(value.method for value in values):
        printed = {(tasks[v.domain], v.metric): v for v in values if v.method == method}
        labels, row = [], PaperRow(method, "", {}, {}, frozenset())
        if matching := _rank_matches(ours.rows, method, (patterns or {}).get(method)):
            labels, row = [match.label for match in matching], matching[0]
        rows.append(_relabel(method, printed, row, columns))
        if labels and labels != [method]:
            also = f" ({', '.join(labels[1:])} would be, too)" if labels[1:] else ""
            substitutes.append(f"{method} is {labels[0]}{also}")
    units = {value.unit for value in values}
    unit = units.pop() if len(units) == 1 else ""
    notes = ["In percent, as the paper prints."] if unit == "percent" else []
    notes += [*ours.notes, *_notes(rows, substitutes, columns, results.plan.tasks)]
    return replace(
        ours,
        columns=columns,
        rows=tuple(rows),
        published_table=name,
        unit=unit,
        notes=tuple(notes),
    )


_VALID = {"valid_ratio": "valid"}


def _tasks(results: SuiteTables, values: Sequence[PublishedValue]) -> dict[str, str]:
    """Return domain of the paper -> the task of that name, or the domain where none has it."""
    domains = dict.fromkeys(value.domain for value in values)
    return {
        domain: next((task for task in results.plan.tasks if same_name(task, domain)), domain)
        for domain in domains
    }


def _columns(values: Sequence[PublishedValue], tasks: Mapping[str, str]) -> tuple[PaperColumn, ...]:
    printed = {(tasks[value.domain], value.metric) for value in values}
    metrics = dict.fromkeys(value.metric for value in values)
    every = [(task, metric) for task in tasks.values() for metric in metrics]
    return tuple(column for column in every if column in printed)


def _rank_matches(rows: Sequence[PaperRow], method: str, pattern: str | None) -> list[PaperRow]:
    """Return our rows of a method: those with results first, then those spelt as in the paper."""

    def is_match(label: str) -> bool:
        if pattern is not None:
            return bool(re.fullmatch(pattern, label, re.IGNORECASE))
        return same_method(label, method)

    return sorted(
        (row for row in rows if is_match(row.label)),
        key=lambda row: (not row.cells, row.label.rpartition("/")[2] != method, row.label),
    )


def _relabel(
    method: str,
    printed: Mapping[PaperColumn, PublishedValue],
    row: PaperRow,
    columns: Sequence[PaperColumn],
) -> PaperRow:
    """Return `row` under the name of the paper's method, on the paper's domains alone."""
    tasks = {task for task, _ in columns}
    return replace(
        row,
        label=method,
        family=next(iter(printed.values())).group,
        cells={column: cell for column, cell in row.cells.items() if column in columns},
        missing_reasons={task: why for task, why in row.missing_reasons.items() if task in tasks},
        at_chance=row.at_chance & tasks,
        published=printed,
    )


def _notes(
    rows: Sequence[PaperRow],
    substitutes: Sequence[str],
    columns: Sequence[PaperColumn],
    tasks: Sequence[str],
) -> list[str]:
    notes = []
    if substitutes:
        notes.append(f"Our rows for the paper's methods: {'; '.join(substitutes)}.")
    if absent := [row.label for row in rows if not (row.cells or row.missing_reasons)]:
        notes.append(f"Without results here: {', '.join(absent)}.")
    if unknown := [d for d in dict.fromkeys(task for task, _ in columns) if d not in tasks]:
        notes.append(f"No task of this suite: {', '.join(unknown)}.")
    return notes
