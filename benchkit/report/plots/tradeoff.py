"""Plots of accuracy against cost and against serendipity."""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial

from benchkit.evaluation.lookup import table_by_name
from benchkit.report.core.labels import metric_title
from benchkit.report.core.method_runs import MethodRuns, collect_method_runs
from benchkit.report.core.results import ResultRow, ResultTable, SuiteTables
from benchkit.report.plots.base import (
    Plot,
    SeriesStyle,
    family_styles,
    max_case_count,
    plot_heading,
    table_primary_metric,
    tables_with_results,
)
from benchkit.report.plots.scatter import Point, XAxis, draw_scatter
from benchkit.report.plots.style import FIGURE_WIDTH
from benchkit.report.plots.text_fitting import join_names, missing_rows, text_height
from benchkit.runs.store import Store

_ROUNDED = 0.0005  # seconds: half of the last digit that a manifest keeps
_FRONT = "Pareto front: methods that no other method matches in both means and beats in one."
_KINDS = {
    "seconds": XAxis("seconds to answer a case", unit="s", cost=True),
    "training": XAxis("seconds to train", unit="s", cost=True),
    "tokens": XAxis("tokens a case, read and written", cost=True),
}


def tradeoff_plots(results: SuiteTables, store: Store | None = None) -> Iterator[Plot]:
    """Yield a plot for each of answering time, training time, tokens and serendipity.

    A plot needs two rows with the quantity. store: the runs, which name their machines.
    """
    tables = [
        table
        for table in tables_with_results(results)
        if not table_by_name(table.protocol).derived_from
    ]
    method_runs = collect_method_runs(store, results.plan, tables) if store else {}
    styles = family_styles(results)
    for table in tables:
        accuracy, other = tradeoff_metrics(table, table_primary_metric(results, table))
        rows = [row for row in table.rows if accuracy in row.cells]
        n = max_case_count(rows)
        amounts = {
            "seconds": [_seconds(row, f"{row.protocol}_seconds", n) for row in rows],
            "training": [_seconds(row, "fit_seconds", 1) for row in rows],
            "tokens": [row.cost.get(f"{row.protocol}_tokens", 0.0) / max(1, n) for row in rows],
        }
        for name, costs in amounts.items():
            priced = [(row, cost) for row, cost in zip(rows, costs, strict=True) if cost]
            points = [
                Point(row.label, row.family, cost, row.cells[accuracy]) for row, cost in priced
            ]
            free = [row.label for row, cost in zip(rows, costs, strict=True) if not cost]
            text = (
                _FRONT,
                _machines([row for row, _ in priced], method_runs) if name != "tokens" else "",
                f"No {name} recorded: {join_names(free)}." if free else "",
                missing_rows(table.rows),
            )
            yield from _plot(results, table, name, accuracy, _KINDS[name], points, text, styles)
        if other:
            points = [
                Point(row.label, row.family, row.cells[other].mean, row.cells[accuracy],
                      row.cells[other])
                for row in rows if other in row.cells
            ]  # fmt: skip
            text = (_FRONT, "Bars: 95 % intervals over users.", "", missing_rows(table.rows))
            kind = XAxis(metric_title(other))
            yield from _plot(results, table, "serendipity", accuracy, kind, points, text, styles)


def tradeoff_metrics(table: ResultTable, metric: str) -> tuple[str, str | None]:
    """Return the metric of accuracy and that of serendipity, of the same cutoff if possible.

    metric: the table's primary one, of either kind; where there is no metric of accuracy, it takes
    that place. There may be no serendipity.
    """
    names = list(dict.fromkeys(name for row in table.rows for name in row.cells))
    serendipity = [name for name in names if name.startswith("serendipity@")]
    accuracy = [name for name in table.chance if name in names and name not in serendipity]
    if metric in serendipity:
        return (_alike(accuracy, metric), metric) if accuracy else (metric, None)
    return metric, _alike(serendipity, metric) if serendipity else None


def _alike(names: Sequence[str], metric: str) -> str:
    """Return the last name with the cutoff of `metric`, or else the last of all."""
    cutoff = metric.rpartition("@")[2]
    return ([name for name in names if name.rpartition("@")[2] == cutoff] or list(names))[-1]


def _plot(
    results: SuiteTables,
    table: ResultTable,
    name: str,
    accuracy: str,
    kind: XAxis,
    points: Sequence[Point],
    text: Sequence[str],
    styles: Mapping[str, SeriesStyle],
) -> Iterator[Plot]:
    if len(points) < 2:
        return
    head = plot_heading(results, table, f"{metric_title(accuracy)} against {kind.title}")
    height = 4.3 + 0.05 * len(points) + text_height(" ".join(text), FIGURE_WIDTH)
    draw = partial(
        draw_scatter, points=points, kind=kind, metric=metric_title(accuracy), head=head,
        text=text, styles=styles,
    )  # fmt: skip
    yield Plot(("tradeoff", name, table.task, table.protocol), height, draw, FIGURE_WIDTH + 0.6)


def _seconds(row: ResultRow, name: str, n: int) -> float:
    """Return seconds per case; 0 where none were recorded. Manifests round to milliseconds."""
    return max(row.cost[name], _ROUNDED) / n if n and name in row.cost else 0.0


def _machines(rows: Sequence[ResultRow], method_runs: Mapping[tuple[str, str], MethodRuns]) -> str:
    """Return a warning where the seconds are from different machines."""
    if method_runs:
        machines = {
            (row.device, *(str(manifest.provenance.get(name)) for name in ("processor", "cores")))
            for row in rows
            for manifest in method_runs[row.task, row.label].manifests
        }
    else:
        machines = {(row.device,) for row in rows}
    many = len(machines) > 1
    return f"Measured on {len(machines)} different machines or devices." if many else ""
