"""The points of a panel: ours from the tables of a suite, the published ones from their files."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from benchkit.report.core.cell import Cell
from benchkit.report.experiments.declarations import FigurePanel, PanelColumn
from benchkit.report.paper.published_values import PublishedRow, same_name

ALL = "all"  # the paper's name for several domains pooled
_PRODUCTION = "production"  # and for an online test


@dataclass(frozen=True)
class PanelPoint:
    """One x of one series, with a figure for some columns."""

    x: str
    series: str
    cells: Mapping[str, Cell] = field(default_factory=dict)
    """Column -> ours."""
    published: Mapping[str, PublishedRow] = field(default_factory=dict)
    """Column -> theirs."""
    protocol: str = ""
    label: str = ""
    """Our row."""
    status: str = "complete"


@dataclass(frozen=True)
class PanelPoints:
    """A panel with its points, in the paper's order, and what there is to say of them."""

    panel: FigurePanel
    protocol: str
    points: tuple[PanelPoint, ...]
    notes: tuple[str, ...] = ()
    chance: tuple[tuple[str, str, Mapping[str, float]], ...] = ()
    """(title, series, column -> the exact value of a random ranking)."""

    @property
    def series(self) -> list[str]:
        """The series, in the order of the points."""
        return list(dict.fromkeys(point.series for point in self.points))

    @property
    def has_ours(self) -> bool:
        """Whether any figure is ours."""
        return any(point.cells for point in self.points)


def merge_published(
    panel: FigurePanel, ours: Sequence[PanelPoint], rows: Sequence[PublishedRow]
) -> list[PanelPoint]:
    """Return our points with what the paper prints of them, then those that only it has."""
    printed: dict[tuple[str, str], dict[str, PublishedRow]] = {}
    for row in rows:
        for column in panel.columns:
            if row.metric == (column.published or column.name):
                for x in _published_x(panel, row):
                    printed.setdefault((x, row.domain), {})[column.name] = row
    series = list(dict.fromkeys(point.series for point in ours))
    if len(series) == 1:  # what is pooled over one domain is of that domain
        printed = {(x, _only(domain, series[0])): row for (x, domain), row in printed.items()}
    elif ALL in series:
        printed = {(x, ALL if d == _PRODUCTION else d): row for (x, d), row in printed.items()}
    merged = [replace(p, published=printed.pop((p.x, p.series), {})) for p in ours]
    domain = {ALL: "", _PRODUCTION: ""}
    merged += [PanelPoint(x, domain.get(d, d), published=row) for (x, d), row in printed.items()]
    return sorted(merged, key=lambda point: _order(panel, point))


def _only(domain: str, series: str) -> str:
    return series if domain in (ALL, _PRODUCTION) or same_name(domain, series) else domain


def _published_x(panel: FigurePanel, row: PublishedRow) -> Iterator[str]:
    """Yield the x that a published row is of: its method, or what its variant ends with."""
    for key in panel.x:
        plain = not row.variant and key == row.method
        if plain or (row.method == "-" and row.variant.endswith(f" {key}")):
            yield key


def _order(panel: FigurePanel, point: PanelPoint) -> tuple[int, float, str, int]:
    keys = list(panel.x)
    place = keys.index(point.x) if point.x in keys else len(keys)
    digits = "".join(c for c in point.x.partition(" to ")[0] if c.isdigit() or c in ".-")
    try:
        number = float(digits)
    except ValueError:
        number = 0.0
    domains = list(panel.domains)
    series = point.series.partition(", ")[0]
    return place, number, "", domains.index(series) if series in domains else len(domains)


def shown_columns(points: PanelPoints) -> list[tuple[PanelColumn, bool]]:
    """Return the columns, and whether the paper prints figures of each."""
    return [
        (column, any(column.name in point.published for point in points.points))
        for column in points.panel.columns
    ]
