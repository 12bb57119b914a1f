"""Ours in the shape of a published table: its methods, row groups, domains, metrics and unit."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from benchkit.errors import ConfigError
from benchkit.report.layout import Column, Layout, Line, layout_of
from benchkit.report.model import Results
from benchkit.report.published import Figure, same_method, same_name
from benchkit.store import Store


def in_shape_of(
    results: Results, figures: Sequence[Figure], protocol: str, store: Store | None = None
) -> Layout:
    """A line a method of the paper and a column a domain and metric, each in the paper's order.

    figures: all of one published table; they stand beside ours. protocol: which of ours those
    are. store: as in `layout`. What the suite does not have stays empty, and the notes name it.
    Raises ConfigError where the suite has no task of the table, or nothing under `protocol`, and
    for the whole catalogue, which no published figure is of.
    """
    if protocol == "sampled":  # a ranking of candidates is always valid
        figures = [replace(f, metric=_VALID.get(f.metric, f.metric)) for f in figures]
    name = f"{figures[0].paper}, {figures[0].table}"
    known = dict.fromkeys(t.protocol for t in results.tables if t.protocol != "full")
    if protocol not in known:
        why = "papers rank a few candidates" if protocol == "full" else "it has no results"
        raise ConfigError(f"--protocol {protocol}: {why}", f"choose of: {', '.join(known)}")
    tasks = _tasks(results, figures)
    if not set(tasks.values()) & set(results.plan.tasks):
        raise ConfigError(
            f"suite {results.plan.suite!r} has no task of {name}",
            f"its domains are {', '.join(tasks)}",
        )
    columns = _columns(figures, tasks)
    metrics = list(dict.fromkeys(metric for _, metric in columns))
    ours = layout_of(results, protocol, store, metrics=metrics)
    lines, standing = [], []
    for method in dict.fromkeys(figure.method for figure in figures):
        printed = {(tasks[f.domain], f.metric): f for f in figures if f.method == method}
        matching = _nearest_first(ours.lines, method)
        line = matching[0] if matching else Line(method, "", {}, {}, frozenset())
        lines.append(_standing_for(method, printed, line, columns))
        if matching and [line.label for line in matching] != [method]:
            label, *others = (line.label for line in matching)
            also = f" ({', '.join(others)} would be, too)" if others else ""
            standing.append(f"{method} is {label}{also}")
    units = {figure.unit for figure in figures}
    unit = units.pop() if len(units) == 1 else ""
    notes = ["In percent, as the paper prints."] if unit == "percent" else []
    notes += _notes(lines, standing, columns, results.plan.tasks)
    return replace(
        ours, columns=columns, lines=tuple(lines), shape=name, unit=unit, notes=tuple(notes)
    )


_VALID = {"valid_ratio": "valid"}


def _tasks(results: Results, figures: Sequence[Figure]) -> dict[str, str]:
    """Domain of the paper -> the task that has its name, or the domain where none has."""
    domains = dict.fromkeys(figure.domain for figure in figures)
    return {
        domain: next((task for task in results.plan.tasks if same_name(task, domain)), domain)
        for domain in domains
    }


def _columns(figures: Sequence[Figure], tasks: Mapping[str, str]) -> tuple[Column, ...]:
    found = {(tasks[figure.domain], figure.metric) for figure in figures}
    metrics = dict.fromkeys(figure.metric for figure in figures)
    return tuple((t, metric) for t in tasks.values() for metric in metrics if (t, metric) in found)


def _nearest_first(lines: Sequence[Line], method: str) -> list[Line]:
    """Our lines of a method: with results before without, then those spelt as the paper does."""
    matching = [line for line in lines if same_method(line.label, method)]
    return sorted(
        matching,
        key=lambda line: (not line.cells, line.label.rpartition("/")[2] != method, line.label),
    )


def _standing_for(
    method: str, printed: Mapping[Column, Figure], line: Line, columns: Sequence[Column]
) -> Line:
    """`line` under the name of the paper's method, on the paper's domains alone."""
    shown = {task for task, _ in columns}
    return replace(
        line,
        label=method,
        family=next(iter(printed.values())).group,
        cells={column: cell for column, cell in line.cells.items() if column in columns},
        missing={task: why for task, why in line.missing.items() if task in shown},
        at_chance=line.at_chance & shown,
        published=printed,
    )


def _notes(
    lines: Sequence[Line], standing: Sequence[str], columns: Sequence[Column], tasks: Sequence[str]
) -> list[str]:
    notes = []
    if standing:
        notes.append(f"Which row of ours stands there: {'; '.join(standing)}.")
    if absent := [line.label for line in lines if not (line.cells or line.missing)]:
        notes.append(f"Without results here: {', '.join(absent)}.")
    if lacking := [d for d in dict.fromkeys(task for task, _ in columns) if d not in tasks]:
        notes.append(f"No task of this suite: {', '.join(lacking)}.")
    return notes
