"""Interference as tables and CSV. Same store, same bytes."""

from collections.abc import Sequence
from dataclasses import asdict

from benchkit.report.comparison.interference import HIGH_PREFERENCE_SHARE, TaskInterference
from benchkit.report.core.labels import format_mean, format_rate
from benchkit.report.core.latex import render_latex
from benchkit.report.core.text_table import TextTable, csv_text, render_markdown

_COLUMNS = (
    "suite", "task", "expert", "method", "cases", "errors", "share", "low", "high", "chance",
)  # fmt: skip
_CSV_NAMES = {"label": "method"}


def interference_tables(title: str, results: Sequence[TaskInterference]) -> list[TextTable]:
    """Build a table for each task: how often a method errs, and for which items."""
    return [_table(title, result) for result in results]


def render_interference(
    suite: str, title: str, results: Sequence[TaskInterference], format_: str
) -> str:
    """Render interference as `md`, `latex` or, with exact numbers, `csv`."""
    if format_ == "csv":
        lines = [
            {"suite": suite, "task": result.task, "expert": result.expert}
            | {_CSV_NAMES.get(name, name): value for name, value in asdict(method).items()}
            for result in results
            for method in result.methods
        ]
        return csv_text(_COLUMNS, lines)
    render = render_latex if format_ == "latex" else render_markdown
    return render(interference_tables(title, results))


def _table(title: str, result: TaskInterference) -> TextTable:
    rows = tuple(
        (
            method.label,
            f"{method.cases:,}",
            f"{method.errors:,.0f}",
            format_rate(method.errors / method.cases) if method.cases else "",
            format_mean(method.share, method.low, method.high) if method.errors else "",
            format_rate(method.chance) if method.errors else "",
        )
        for method in result.methods
    )
    return TextTable(
        f"{title}: {result.task}, interference by high-preference negatives",
        ("Method", "Cases", "Errors", "Errors / cases", "Of high preference", "By chance"),
        rows,
        (
            "Errors: cases in which a wrong item is put first. Of high preference: the share of the"
            f" errors whose item is among the {HIGH_PREFERENCE_SHARE:.0%} of the case's negatives"
            f" that {result.expert} scores highest, with its 95 % interval over users; by chance:"
            " among errors that know nothing of that order. Cases without an answer of both are"
            " left out.",
        ),
    )
