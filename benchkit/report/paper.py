"""Our figures in exactly the shape of a published table: its methods, domains, metrics and unit."""

from collections.abc import Sequence

from benchkit.errors import ConfigError
from benchkit.report.grid import Grid
from benchkit.report.model import Results, Row
from benchkit.report.published import Figure, same_method, same_name
from benchkit.report.wording import metric_title

_BLANK = "–"


def in_shape_of(results: Results, figures: Sequence[Figure], protocol: str) -> Grid:
    """A line a method and a column a domain and metric, both in the order of the paper, in percent.

    figures: of one published table. protocol: which of ours stand there. Methods and domains that
    the suite does not have stay empty, and the notes name them.
    Raises ConfigError where the table has no figures, or the suite nothing under `protocol`.
    """
    if not figures:
        raise ConfigError("this published table has no rates", "see leaderboards/published")
    tables = [t for t in results.tables if t.protocol == protocol and not t.part]
    if not tables:
        known = ", ".join(dict.fromkeys(t.protocol for t in results.tables))
        raise ConfigError(f"no results under protocol {protocol!r}", f"choose of: {known}")
    paper, name = figures[0].paper, figures[0].table
    columns = list(dict.fromkeys((f.domain, f.metric) for f in figures))
    methods = list(dict.fromkeys(f.method for f in figures))
    lines, absent = [], []
    remarks: dict[str, None] = {}
    for method in methods:
        cells = []
        for domain, metric in columns:
            rows = [
                row
                for table in tables
                if same_name(table.task, domain)
                for row in table.rows
                if same_method(row.label, method)
            ]
            cells.append(_value(rows, metric))
            remarks |= dict.fromkeys(f"{method}: {text}." for row in rows for text in row.remarks)
        if set(cells) == {_BLANK}:
            absent.append(method)
        lines.append((method, *cells))
    notes = [f"Measured with benchkit, protocol {protocol}, in percent."]
    if absent:
        notes.append(f"Without results here: {', '.join(absent)}.")
    notes += remarks
    head = ("Method", *(f"{domain} {metric_title(metric)}" for domain, metric in columns))
    title = f"{results.plan.title}, in the shape of {paper}, {name}"
    return Grid(title, head, tuple(lines), tuple(notes))


def _value(rows: Sequence[Row], metric: str) -> str:
    cells = [row.cells[metric] for row in rows if metric in row.cells]
    return f"{100 * cells[0].mean:.2f}" if cells else _BLANK
