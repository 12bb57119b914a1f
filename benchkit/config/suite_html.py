"""A suite as HTML, for notebooks: what is run on what, in two tables."""

from collections.abc import Iterable, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from benchkit.config.suite import Suite

_LEFT = "text-align: left"
_CAPTION = f"caption-side: top; {_LEFT}; font-weight: bold"


def suite_to_html(suite: "Suite") -> str:
    """Return its title, its datasets and rows as tables, and how it measures."""
    datasets = [
        (dataset.name, dataset.source, _describe(dataset.split), _describe(dataset.candidates))
        for dataset in suite.datasets
    ]
    rows = [(row.name, row.method, row.model, _describe(row.config)) for row in suite.methods]
    seeds = ", ".join(map(str, suite.seeds))
    notes = [
        f"Protocols: {', '.join(suite.protocols)}. Metrics: {', '.join(suite.metrics)};"
        f" {suite.primary} decides. Seeds: {seeds}.",
        suite.description,
    ]
    return "\n".join(
        [
            f"<p><strong>{escape(suite.title)}</strong> ({escape(suite.name)})</p>",
            _table("Datasets", ("Name", "Source", "Split", "Candidates"), datasets),
            _table("Rows", ("Label", "Method", "Model", "Settings"), rows),
            *(f"<p><small>{escape(note)}</small></p>" for note in notes if note),
        ]
    )


def _describe(value: Any) -> str:
    """Return a part of a suite in a line: the values that are not empty."""
    values = value.model_dump(exclude_defaults=True) if hasattr(value, "model_dump") else value
    if not isinstance(values, dict):
        return str(values)
    if not values and hasattr(value, "model_dump"):
        values = value.model_dump()
    return ", ".join(f"{name} {part}" for name, part in values.items() if part not in ("", None))


def _table(title: str, header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table without the columns that are empty."""
    columns = [column for column in zip(header, *rows, strict=True) if any(column[1:])]
    lines = [list(cells) for cells in zip(*columns, strict=True)]
    head, *body = [
        "".join(f'<{tag} style="{_LEFT}">{escape(cell)}</{tag}>' for cell in cells)
        for tag, cells in zip(["th", *["td"] * (len(lines) - 1)], lines, strict=True)
    ]
    return "\n".join(
        [
            f'<table><caption style="{_CAPTION}">{title}</caption><thead><tr>{head}</tr></thead>',
            "<tbody>",
            *(f"<tr>{cells}</tr>" for cells in body),
            "</tbody></table>",
        ]
    )
