"""A panel's points as a text table, and as CSV with exact figures."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from benchkit.report.core.labels import MIXED, SAMPLED, SAMPLED_MARK, format_mean, protocol_title
from benchkit.report.core.text_table import TextCell, TextRow, TextTable, csv_text
from benchkit.report.experiments.declarations import ColumnUnit
from benchkit.report.experiments.points import PanelPoint, PanelPoints, shown_columns
from benchkit.report.paper.published_values import PublishedRow
from benchkit.runs.records import PlanRecord

POINT_CSV_COLUMNS = (
    "suite", "protocol", "paper", "table", "x", "series", "method", "metric", "ours", "low", "high",
    "n", "published", "published_unit", "difference", "status",
)  # fmt: skip
_BLANK = "–"
_NUMBERS: dict[ColumnUnit, Callable[[float], str]] = {
    "rate": lambda value: f"{100 * value:.2f}",
    "number": lambda value: f"{value:.2f}",
    "count": lambda value: f"{value:,.0f}",
    "milliseconds": lambda value: f"{value:.3g}",
}
_PROTOCOL_KINDS = ("rows", "history", "costs")


def points_table(plan: PlanRecord, points: PanelPoints, intervals: bool = False) -> TextTable:
    """Return a row for each x and series, with ours and, where it is printed, theirs.

    Args:
        plan: The suite.
        points: The panel.
        intervals: Whether 95 % intervals stand beside our figures.
    """
    panel = points.panel
    series = points.series
    single = series[0] if len(series) == 1 else ""
    first_columns = 1 if len(series) < 2 else 2
    columns = shown_columns(points)
    header, groups = [panel.x_title, "Domain"][:first_columns], []
    for column, is_printed in columns:
        both = is_printed and column.unit != "printed"
        header += ["ours", "published"] if both else [column.heading]
        groups += [column.heading] * 2 if both else [""]
    rows = _chance_rows(points, first_columns)
    for place, point in enumerate(points.points):
        mark = (points.protocol, point.protocol) == (MIXED, SAMPLED) and bool(point.cells)
        label = TextCell(_x_text(points, point), marks=(SAMPLED_MARK,) * mark)
        cells: list[TextCell | str] = [label, *[point.series] * (first_columns - 1)]
        for column, is_printed in columns:
            if column.unit != "printed":
                cells.append(_ours(point, column.name, _NUMBERS[column.unit], intervals))
            if is_printed or column.unit == "printed":
                cells.append(_theirs(point.published.get(column.name)))
        begins = place == 0 or point.x != points.points[place - 1].x
        rows.append(TextRow(tuple(cells), rule=begins and first_columns > 1))
    how = [protocol_title(points.protocol, plan)] if panel.kind in _PROTOCOL_KINDS else []
    what = ", ".join(filter(None, [panel.title, single]))
    is_rate = any(column.unit == "rate" for column in panel.columns)
    return TextTable(
        f"{plan.title}, in the shape of {panel.name}: {what}{''.join(f' ({h})' for h in how)}",
        tuple(header),
        tuple(rows),
        (*["Rates in percent."] * is_rate, *points.notes),
        text_columns=first_columns,
        groups=tuple(groups) if any(groups) else (),
    )


def _x_text(points: PanelPoints, point: PanelPoint) -> str:
    title = points.panel.x.get(point.x, point.x)
    return title if title == point.x else f"{point.x}: {title}"


def _chance_rows(points: PanelPoints, first_columns: int) -> list[TextRow]:
    rows = []
    for title, series, values in points.chance:
        cells = [title, series][:first_columns]
        for column, is_printed in shown_columns(points):
            value = values.get(column.name)
            cells.append("" if value is None else _NUMBERS[column.unit](value))
            cells += [""] * is_printed
        rows.append(TextRow(tuple(cells), muted=True))
    return rows


def _ours(point: PanelPoint, column: str, number: Callable[[float], str], intervals: bool) -> str:
    cell = point.cells.get(column)
    if cell is None:
        return _BLANK
    low, high = (cell.low, cell.high) if intervals else (None, None)
    return format_mean(cell.mean, low, high, number)


def _theirs(row: PublishedRow | None) -> str:
    """Return a figure with the digits that the paper gives; rates in percent, as ours."""
    if row is None:
        return ""
    if row.unit == "ratio":
        return f"{100 * row.number:.2f}"
    return f"{int(row.value):,}" if row.value.isdecimal() else row.value


def points_csv(plan: PlanRecord, panels: Iterable[PanelPoints]) -> str:
    """Return one line for each figure of ours or theirs; rates are from 0 to 1."""
    return csv_text(
        POINT_CSV_COLUMNS, (record for points in panels for record in _records(plan, points))
    )


def _records(plan: PlanRecord, points: PanelPoints) -> Iterator[dict[str, Any]]:
    paper, _, table = points.panel.reference.partition(":")
    for point in points.points:
        for column in points.panel.columns:
            ours, theirs = point.cells.get(column.name), point.published.get(column.name)
            if not (ours or theirs):
                continue
            record: dict[str, Any] = {
                "suite": plan.suite, "protocol": point.protocol, "paper": paper,
                "table": table + points.panel.panel, "x": point.x, "series": point.series,
                "method": point.label, "metric": column.name, "status": point.status,
            }  # fmt: skip
            if ours:
                record |= {"ours": ours.mean, "low": ours.low, "high": ours.high}
                record["n"] = ours.n or None
            if theirs:
                record |= {"published": theirs.number, "published_unit": theirs.unit}
            if ours and theirs:
                record["difference"] = ours.mean - theirs.number
            yield record
