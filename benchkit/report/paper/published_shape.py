"""Ours in the shape of a published table: its methods, row groups, domains, metrics and unit."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from benchkit.errors import ConfigError
from benchkit.evaluation.lookup import recorded_protocol
from benchkit.report.core.results import Results
from benchkit.report.paper.paper_table import PaperColumn, PaperRow, PaperTable, build_paper_table
from benchkit.report.paper.published_values import PublishedValue, same_method, same_name
from benchkit.runs.store import Store


def like_published(
    results: Results, figures: Sequence[PublishedValue], protocol: str, store: Store | None = None
) -> PaperTable:
    """A line a method of the paper and a column a domain and metric, each in the paper's order.

    figures: all of one published table; they stand beside ours. protocol: which of ours those
    are. store: as in `layout`. What the suite does not have stays empty, and the notes name it.
    Raises ConfigError where the suite has no task of the table, or nothing under `protocol`, and
    for the whole catalogue, which no published figure is of.
    """
    if "samples" in recorded_protocol(protocol).provides:  # a ranking is always valid
        figures = [replace(f, metric=_VALID.get(f.metric, f.metric)) for f in figures]
    name = f"{figures[0].paper}, {figures[0].table}"
    known = dict.fromkeys(
        t.protocol for t in results.tables if recorded_protocol(t.protocol).ranks_candidates
    )
    if protocol not in known:
        why = "it has no results"
        if not recorded_protocol(protocol).ranks_candidates:
            why = "papers rank a few candidates"
        raise ConfigError(f"--protocol {protocol}: {why}", f"choose of: {', '.join(known)}")
    tasks = _tasks(results, figures)
    if not set(tasks.values()) & set(results.plan.tasks):
        raise ConfigError(
            f"suite {results.plan.suite!r} has no task of {name}",
            f"its domains are {', '.join(tasks)}",
        )
    columns = _columns(figures, tasks)
    metrics = list(dict.fromkeys(metric for _, metric in columns))
    ours = build_paper_table(results, protocol, store, metrics=metrics)
    lines, standing = [], []
    for method in dict.fromkeys(figure.method for figure in figures):
        printed = {(tasks[f.domain], f.metric): f for f in figures if f.method == method}
        matching = _nearest_first(ours.rows, method)
        line = matching[0] if matching else PaperRow(method, "", {}, {}, frozenset())
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
        ours,
        columns=columns,
        rows=tuple(lines),
        published_table=name,
        unit=unit,
        notes=tuple(notes),
    )


_VALID = {"valid_ratio": "valid"}


def _tasks(results: Results, figures: Sequence[PublishedValue]) -> dict[str, str]:
    """Domain of the paper -> the task that has its name, or the domain where none has."""
    domains = dict.fromkeys(figure.domain for figure in figures)
    return {
        domain: next((task for task in results.plan.tasks if same_name(task, domain)), domain)
        for domain in domains
    }


def _columns(
    figures: Sequence[PublishedValue], tasks: Mapping[str, str]
) -> tuple[PaperColumn, ...]:
    found = {(tasks[figure.domain], figure.metric) for figure in figures}
    metrics = dict.fromkeys(figure.metric for figure in figures)
    return tuple((t, metric) for t in tasks.values() for metric in metrics if (t, metric) in found)


def _nearest_first(lines: Sequence[PaperRow], method: str) -> list[PaperRow]:
    """Our lines of a method: with results before without, then those spelt as the paper does."""
    matching = [line for line in lines if same_method(line.label, method)]
    return sorted(
        matching,
        key=lambda line: (not line.cells, line.label.rpartition("/")[2] != method, line.label),
    )


def _standing_for(
    method: str,
    printed: Mapping[PaperColumn, PublishedValue],
    line: PaperRow,
    columns: Sequence[PaperColumn],
) -> PaperRow:
    """`line` under the name of the paper's method, on the paper's domains alone."""
    shown = {task for task, _ in columns}
    return replace(
        line,
        label=method,
        family=next(iter(printed.values())).group,
        cells={column: cell for column, cell in line.cells.items() if column in columns},
        missing_reasons={task: why for task, why in line.missing_reasons.items() if task in shown},
        at_chance=line.at_chance & shown,
        published=printed,
    )


def _notes(
    lines: Sequence[PaperRow],
    standing: Sequence[str],
    columns: Sequence[PaperColumn],
    tasks: Sequence[str],
) -> list[str]:
    notes = []
    if standing:
        notes.append(f"Which row of ours stands there: {'; '.join(standing)}.")
    if absent := [line.label for line in lines if not (line.cells or line.missing_reasons)]:
        notes.append(f"Without results here: {', '.join(absent)}.")
    if lacking := [d for d in dict.fromkeys(task for task, _ in columns) if d not in tasks]:
        notes.append(f"No task of this suite: {', '.join(lacking)}.")
    return notes
