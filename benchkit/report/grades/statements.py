"""Statement checks as tables beside the grades, in which they do not enter."""

from collections.abc import Iterator, Sequence
from typing import Any, Final

import polars as pl

from benchkit.report.core.cell import Cell
from benchkit.report.core.grade_results import GradeTable, StatementStatistics
from benchkit.report.core.labels import format_cell
from benchkit.report.core.text_table import TextTable
from benchkit.report.grades.means import case_mean
from benchkit.runs.record_values import CHECKED, LABELS, SUPPORTED

CONTROL: Final = "control: generic, most popular item"
_CONTROL_OF: Final = "control, cases of {}"
_TITLES: Final = ("Supported", "Not supported", "Contradicted", "Not checkable")
_MEASURES: Final = ("statements", *LABELS, "precision", "recall", "absent")
_Row = tuple[str, StatementStatistics]


def statement_columns(verdicts: pl.DataFrame) -> dict[str, pl.Series]:
    """Return what is counted in each rationale's statement checks, null where there are none.

    Names begin with `statement ` or, of the control, with `control `: `statements`, their number;
    `supported` and so on, the share of those with a label that have this one; `precision`,
    supported among those that could be checked; `recall`, the share of the user's stated reasons
    that the rationale recalls; `absent`, items it names that were not shown.
    """
    columns = {}
    absent = _column(verdicts, "named_outside")
    sources = (
        ("statement", "statements", "stated_reasons", absent),
        ("control", "control_statements", "control_reasons", [0] * len(verdicts)),
    )
    for prefix, statements, reasons, outside in sources:
        rows = [
            _count(*row)
            for row in zip(
                _column(verdicts, statements), _column(verdicts, reasons), outside, strict=True
            )
        ]
        for name in _MEASURES:
            values = [row.get(name) for row in rows]
            columns[f"{prefix} {name}"] = pl.Series(values, dtype=pl.Float64)
    return columns


def _column(verdicts: pl.DataFrame, name: str) -> Sequence[Any]:
    return verdicts[name].to_list() if name in verdicts.columns else [None] * len(verdicts)


def _count(
    statements: Sequence[dict[str, Any]] | None,
    reasons: Sequence[dict[str, Any]] | None,
    outside: int | None,
) -> dict[str, float | None]:
    """Return the measures of one rationale; {} where it was not checked."""
    if statements is None:
        return {}
    labels = [statement["label"] for statement in statements]
    known = [label for label in labels if label in LABELS]
    checked = [label for label in labels if label in CHECKED]
    recalled = [reason["recalled"] for reason in reasons or ()]
    return {
        "statements": len(labels),
        **{label: known.count(label) / len(known) if known else None for label in LABELS},
        "precision": checked.count(SUPPORTED) / len(checked) if checked else None,
        "recall": sum(recalled) / len(recalled) if recalled else None,
        "absent": outside,
    }


def describe_statements(graded: pl.DataFrame, prefix: str) -> StatementStatistics | None:
    """Return the statistics of a method's statements, None where none were checked.

    Args:
        graded: A row an answer, as `answer_grades` returns them.
        prefix: `statement`, or `control` for those of the control on the same cases.
    """
    checked = graded.drop_nulls("statement statements")  # the control's cases are the method's
    cells = {name: case_mean(checked, f"{prefix} {name}") for name in _MEASURES}
    statements = cells["statements"]
    if statements is None:
        return None
    return StatementStatistics(
        statements=statements,
        shares={label: cell for label in LABELS if (cell := cells[label]) is not None},
        precision=cells["precision"],
        recall=cells["recall"],
        absent=cells["absent"],
    )


def statement_tables(suite: str, table: GradeTable) -> Iterator[TextTable]:
    """Yield the table of a task's statement checks by one judge, with the control."""
    rows = list(_rows(table))
    if not rows:
        return
    lines = [(label, *_cells(part)) for label, part in rows]
    end = len(lines) - (rows[-1][0] == CONTROL)
    lines[end:end] = _unchecked(table)
    yield TextTable(
        f"{suite}: {table.task}, statements of the rationales (not a grade),"
        f" judge {table.judge_title}",
        ("Method", "Rationales", "Statements", *_TITLES, "Precision", "Recall", "Absent"),
        tuple(lines),
        tuple(_notes(table, rows)),
    )


def _rows(table: GradeTable) -> Iterator[_Row]:
    """Yield each method and the control on the cases of its rationales.

    The control comes once, last, where it is the same beside every method.
    """
    checked = [row for row in table.rows if row.statements is not None]
    controls = [row.statement_control for row in checked]
    is_same = all(part == controls[0] for part in controls)
    for row in checked:
        if row.statements is not None:
            yield row.label, row.statements
        if row.statement_control is not None and not is_same:
            yield _CONTROL_OF.format(row.label), row.statement_control
    if controls and controls[0] is not None and is_same:
        yield CONTROL, controls[0]


def _unchecked(table: GradeTable) -> Iterator[tuple[str, ...]]:
    """Yield a row for each method that has rationales, none of which was checked."""
    for row in table.rows:
        words = None if row.text is None else row.text.words
        if row.statements is None and words is not None:
            yield row.label, str(words.n), "not checked", *[""] * (len(_TITLES) + 3)


def _cells(part: StatementStatistics) -> tuple[str, ...]:
    shares = (part.shares.get(label) for label in LABELS)
    return (
        str(part.statements.n),
        f"{part.statements.mean:.1f}",
        *("" if cell is None else f"{100 * cell.mean:.1f} %" for cell in shares),
        _decimal(part.precision),
        _decimal(part.recall),
        "" if part.absent is None else f"{part.absent.mean:.2f}",
    )


def _decimal(cell: Cell | None) -> str:
    return "" if cell is None else format_cell(cell, "{:.2f}".format)


def _notes(table: GradeTable, rows: Sequence[_Row]) -> Iterator[str]:
    by_rules = table.judge_name == "heuristic"
    yield (
        "Each statement of a rationale is checked against history, reviews, ratings and texts of"
        f" items, {'by rules' if by_rules else 'by the model'}; cut into statements by rules. Means"
        " over cases; 95 % bootstrap intervals over users. They enter no grade."
    )
    yield (
        "Precision: supported among the statements that can be checked. Recall: reasons in the"
        " user's own review of the item taken that the rationale recalls in like words, a lower"
        " bound. Absent: items of the catalogue it names that the method was not shown."
    )
    if not any(part.recall for _, part in rows):
        yield "No recall: no review of an item taken states a reason."
    fewer = [f"{label}: {counts}" for label, part in rows if (counts := _fewer(part))]
    if any(_unchecked(table)):
        yield "Not checked: the judge checked no statement of any of these rationales."
    if fewer:
        yield (
            f"Of how many rationales, where not all have something to count: {'; '.join(fewer)}."
        )
    yield (
        "Control: the same text for everybody, about the item most bought in training, on the cases"
        " of the methods' rationales. What is supported or recalled of it is so by chance."
    )
    if by_rules:
        yield (
            "The rules compare English words, not meanings, and miss contradictions; the"
            " documentation of judging says how far they agree with a person."
        )


def _fewer(part: StatementStatistics) -> str:
    """Return 'precision 12, recall 9': the rationales of figures that are not over all of them."""
    cells = {
        "labels": next(iter(part.shares.values()), None), "precision": part.precision,
        "recall": part.recall, "absent": part.absent,
    }  # fmt: skip
    return ", ".join(
        f"{name} {cell.n:,}"
        for name, cell in cells.items()
        if cell is not None and cell.n < part.statements.n
    )


def statement_statistics(
    statements: StatementStatistics | None, prefix: str
) -> Iterator[tuple[str, Cell]]:
    """Yield name and value of each statistic, for CSV."""
    if statements is None:
        return
    yield f"{prefix}s per rationale", statements.statements
    for label, cell in statements.shares.items():
        yield f"{prefix}s {label.replace('_', ' ')}", cell
    optional = {
        "precision": statements.precision, "recall": statements.recall, "absent": statements.absent,
    }  # fmt: skip
    for name, value in optional.items():
        if value is not None:
            yield f"{prefix} {name}", value
