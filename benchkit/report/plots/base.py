"""A plot before it is drawn, the styles of method families, and what all plots of a suite share."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from benchkit.report.core import labels
from benchkit.report.core.cell import Cell
from benchkit.report.core.results import ResultRow, ResultTable, SuiteTables
from benchkit.report.plots.style import FIGURE_WIDTH, GREY, SERIES_COLOURS

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_MARKERS = "osD^vPX<>*"
_DASHES = ("-", (0, (5, 2)), (0, (1.5, 1.5)))
CHANCE_LINE_STYLE: dict[str, Any] = {"color": GREY, "linewidth": 1, "linestyle": (0, (4, 3))}


@dataclass(frozen=True)
class Plot:
    """A figure that is not drawn yet."""

    name: tuple[str, ...]
    """Parts of the file's name."""
    height: float
    """In inches, as `width`."""
    draw: "Callable[[Figure], None]"
    width: float = FIGURE_WIDTH


@dataclass(frozen=True)
class SeriesStyle:
    """How to tell a family or curve from others: by colour, and in print by marker and dashes."""

    colour: str
    marker: str
    line_style: str | tuple[int, tuple[float, ...]] = "-"


def family_styles(results: SuiteTables) -> dict[str, SeriesStyle]:
    """Return the style of each family, the same in all plots of a suite; controls are grey.

    The combination of colour and marker repeats after 30 families.
    """
    families = dict.fromkeys(row.family for row in results.plan.rows)
    families |= dict.fromkeys(row.family for table in results.tables for row in table.rows)
    others = [family for family in families if family != "control"]
    return dict(zip(others, series_styles(len(others)), strict=True)) | {
        "control": SeriesStyle(GREY, "h")
    }


def series_styles(count: int) -> list[SeriesStyle]:
    """Return `count` styles; colours, markers and dashes repeat with different periods."""
    return [
        SeriesStyle(
            SERIES_COLOURS[i % len(SERIES_COLOURS)],
            _MARKERS[i % len(_MARKERS)],
            _DASHES[i // len(SERIES_COLOURS) % len(_DASHES)],
        )
        for i in range(count)
    ]


def tables_with_results(results: SuiteTables) -> list[ResultTable]:
    """Return the tables of all cases in which at least one row has a result."""
    return [t for t in results.tables if not t.subgroup and any(row.cells for row in t.rows)]


def select_plot_results(results: SuiteTables, tables: Sequence[ResultTable]) -> SuiteTables:
    """Return what a plot of some tables may look at: these, and what the plan says of all of them.

    A plot is drawn again if that changes (`plot_images`), so that nothing of other tables is in it.
    """
    labels = {row.label for table in tables for row in table.rows}
    tasks = {table.task for table in tables}
    plan = results.plan.model_copy(
        update={
            "labels": [label for label in results.plan.labels if label in labels],
            "tasks": [task for task in results.plan.tasks if task in tasks],
            "rows": [],
            "judges": [],
        }
    )
    return SuiteTables(plan, tuple(tables))


def table_primary_metric(results: SuiteTables, table: ResultTable) -> str:
    """Return the metric that the plots of a table show."""
    names = table.chance or dict.fromkeys(name for row in table.rows for name in row.cells)
    return labels.primary_metric(results.plan, names)


def error_bar_lengths(cells: Sequence[Cell]) -> list[list[float]]:
    """Return [below, above] for matplotlib's error bars; 0 where a cell has no interval."""
    low = [0.0 if c.low is None else max(0.0, c.mean - c.low) for c in cells]
    high = [0.0 if c.high is None else max(0.0, c.high - c.mean) for c in cells]
    return [low, high]


def max_case_count(rows: Iterable[ResultRow]) -> int:
    """Return the largest number of cases behind a cell."""
    return max((c.n for row in rows for c in row.cells.values()), default=0)


def describe_counts(rows: Iterable[ResultRow], metric: str) -> str:
    """Return how many users and cases are behind the largest cell of a metric; empty for none."""
    cells = [row.cells[metric] for row in rows if metric in row.cells]
    largest = max(cells, key=lambda cell: cell.n, default=None)
    return labels.count_title(largest.users, largest.n) if largest and largest.n else ""


def plot_heading(results: SuiteTables, table: ResultTable, what: str) -> str:
    """Return a title such as 'MovieLens 100K, ml-100k: NDCG@5 (scored)'."""
    where = ", ".join(dict.fromkeys((results.plan.title, table.task)))
    return f"{where}: {what} ({labels.short_protocol_title(table.protocol).lower()})"
