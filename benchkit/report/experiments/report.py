"""Ours in the shape of a published table or figure, whatever it shows."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from benchkit.count_text import count_text
from benchkit.errors import ConfigError
from benchkit.report.core.labels import MIXED, SAMPLED, SAMPLED_MARK
from benchkit.report.core.latex import render_latex
from benchkit.report.core.mixed_protocols import choose_protocol, select_protocol
from benchkit.report.core.results import ResultTable, SuiteTables
from benchkit.report.core.text_table import TextTable, render_markdown
from benchkit.report.experiments.declarations import (
    FigurePanel,
    find_panels,
    normalize_reference,
    read_declarations,
)
from benchkit.report.experiments.points import PanelPoint, PanelPoints, merge_published
from benchkit.report.experiments.readers import choose_judge, read_points
from benchkit.report.experiments.rendering import points_csv, points_table
from benchkit.report.paper import published_values, rendering
from benchkit.report.paper.paper_table import PaperTable
from benchkit.report.paper.published_shape import like_published
from benchkit.runs.store import Store

_RATES = "rates"


def render_experiment(
    results: SuiteTables,
    store: Store,
    published: Path,
    reference: str,
    format_: str = "md",
    intervals: bool = False,
    protocol: str = "",
) -> str:
    """Render ours in the shape of what `reference` names, e.g. "c-apo:figure5".

    Args:
        results: The suite's results.
        store: The run store.
        published: The folder of published figures, which stand beside ours.
        reference: The paper and its table or figure.
        format_: `csv`, `latex` or `md`, which is also the form of every other name.
        intervals: Whether 95 % intervals stand beside the values.
        protocol: The protocol of ours, or `mixed`, which is the default where results allow it.

    Raises:
        ConfigError: It is not known or not shown, or another suite gives it.
    """
    if format_ != "csv":
        tables = experiment_tables(
            results, store, published, reference, intervals=intervals, protocol=protocol
        )
        return {"latex": render_latex}.get(format_, render_markdown)(tables)
    shape = _build_shape(results, store, published, reference, protocol)
    if isinstance(shape, PaperTable):
        return rendering.paper_csv(results.plan, [shape])
    return points_csv(results.plan, shape)


def experiment_tables(
    results: SuiteTables,
    store: Store,
    published: Path,
    reference: str,
    *,
    intervals: bool = False,
    protocol: str = "",
) -> list[TextTable]:
    """Return ours in the shape of what `reference` names; see `render_experiment`."""
    shape = _build_shape(results, store, published, reference, protocol)
    if isinstance(shape, PaperTable):
        return [rendering.paper_text_table(results.plan, shape, intervals)]
    return [points_table(results.plan, points, intervals) for points in shape]


def _build_shape(
    results: SuiteTables, store: Store, published: Path, reference: str, protocol: str
) -> PaperTable | list[PanelPoints]:
    """Return a table of rates, or the panels of anything else."""
    reference = normalize_reference(reference)
    panels = find_panels(reference)
    protocol = protocol or choose_protocol(results)
    if panels and panels[0].kind != _RATES:
        return build_panels(results, store, published, panels, protocol)
    declared = read_declarations().panels
    suite = results.plan.suite.partition("@")[0]
    of_suite = [*results.plan.published, *(p.reference for p in declared if suite in p.suites)]
    values = published_values.read_published_table(
        published, reference, [panel.reference for panel in declared], list(dict.fromkeys(of_suite))
    )
    return like_published(results, values, protocol, store, *_rate_options(panels))


def _rate_options(panels: Sequence[FigurePanel]) -> tuple[Mapping[str, str], Sequence[str]]:
    """Return labels of ours for the paper's methods, and the suites that give the table."""
    return (panels[0].labels, panels[0].suites) if panels else ({}, ())


def build_panels(
    results: SuiteTables,
    store: Store,
    published: Path,
    panels: Sequence[FigurePanel],
    protocol: str,
) -> list[PanelPoints]:
    """Build the panels of a figure that this suite gives.

    Raises:
        ConfigError: It gives none; the error names the suites that do.
    """
    results = select_protocol(results, protocol)
    suite = results.plan.suite.partition("@")[0]
    shown, elsewhere = [], []
    for panel in panels:
        rows = published_values.read_published_rows(published, panel.reference)
        ours = read_points(panel, results, store)
        points = merge_published(panel, ours, rows)
        if not any(point.cells for point in ours) and panel.suites and suite not in panel.suites:
            elsewhere.append(panel)
            continue
        notes = tuple(_notes(panel, results, points, protocol))
        chance = tuple(_chance(panel, results, points))
        shown.append(PanelPoints(panel, protocol, tuple(points), notes, chance))
    if not shown:
        raise another_suite_error(results, panels)
    if elsewhere:
        where = "; ".join(f"{panel.name}: {_suites(panel)}" for panel in elsewhere)
        shown[-1] = replace(shown[-1], notes=(*shown[-1].notes, f"Of other suites: {where}."))
    return shown


def another_suite_error(results: SuiteTables, panels: Sequence[FigurePanel]) -> ConfigError:
    """Return the error for results of a suite that does not give a table or figure."""
    name = panels[0].reference.replace(":", ", ")
    suites = dict.fromkeys(suite for panel in panels for suite in panel.suites)
    return ConfigError(
        f"suite {results.plan.suite!r} has nothing of {name}",
        " and ".join(f"benchkit run --suite {suite}" for suite in suites),
    )


def _suites(panel: FigurePanel) -> str:
    return f"suite {' or '.join(panel.suites)}"


def _chance(
    panel: FigurePanel, results: SuiteTables, points: Sequence[PanelPoint]
) -> Iterator[tuple[str, str, Mapping[str, float]]]:
    """Yield the levels of chance of each domain with a point of rows."""
    if panel.kind not in ("rows", "history"):
        return
    names = {column.name for column in panel.columns}
    series = {point.series.partition(", ")[0] for point in points if point.cells}
    for table in results.tables:
        domain = panel.domain_of(table.task)
        if table.subgroup or (domain not in series and panel.kind == "rows"):
            continue
        titles = _chance_titles(table, points)
        for title, levels in table.chance_rows:
            if title not in titles:
                continue
            values = {name: value for name, value in levels.items() if name in names}
            if values and (panel.kind == "rows" or domain in panel.domains):
                yield title, domain, values


def _chance_titles(table: ResultTable, points: Sequence[PanelPoint]) -> set[str]:
    """Return the titles of the levels of chance that points can be compared with."""
    titles = {title for title, _ in table.chance_rows}
    protocols = {f"Chance, {point.protocol}" for point in points if point.cells}
    return titles & protocols if len(titles) > 1 else titles


def _notes(
    panel: FigurePanel, results: SuiteTables, points: Sequence[PanelPoint], protocol: str
) -> list[str]:
    """Return what there is to say, one note a kind and not one a cell."""
    notes = [panel.note] * bool(panel.note)
    if panel.kind in ("grades", "grades-by-history") and (grades := choose_judge(panel, results)):
        counts = {row.n_answers for table in grades for row in table.rows if row.n_answers}
        most = f"; at most {count_text(max(counts), 'answer')} of a row on a task" if counts else ""
        title = grades[0].rubric["title"]
        notes.append(f"Judge: {grades[0].judge_title}, rubric {title!r}{most}.")
    if protocol == MIXED and any(p.protocol == SAMPLED and p.cells for p in points):
        notes += dict.fromkeys(
            n for table in results.tables for n in table.notes if n.startswith(SAMPLED_MARK)
        )
    if not any(point.published for point in points):
        notes.append("No value of it is printed in the paper's text.")
    with_ours = {point.x for point in points if point.cells}
    if absent := [key for key in panel.x if key not in with_ours]:
        notes.append(f"Without results here: {', '.join(absent)}.")
    places_of: dict[str, dict[str, None]] = {}  # one note for equal reasons
    for point in points:
        if point.label and not point.cells and point.status != "complete":
            place = ", ".join(filter(None, [point.label, point.series]))
            places_of.setdefault(point.status, {})[place] = None
    failed = [f"{'; '.join(places)}: {status}." for status, places in places_of.items()]
    tasks = {panel.domain_of(task) for task in results.plan.tasks}
    if missing := [domain for domain in panel.domains if domain not in tasks]:
        notes.append(f"No task of this suite: {', '.join(missing)}.")
    others = [t for t in tasks if t not in panel.domains and any(t in p.series for p in points)]
    if panel.domains and others:
        notes.append(f"Other data than the paper's: {', '.join(sorted(others))}.")
    return [*notes, *failed]
