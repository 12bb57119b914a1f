"""The one model of a printed table, and what writes it as Markdown and as CSV."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchkit.csv_cells import write_rows
from benchkit.visible_text import make_visible

SUPERSCRIPT_DIGITS = "⁰¹²³⁴⁵⁶⁷⁸⁹"
_SUPERSCRIPT = str.maketrans("0123456789", SUPERSCRIPT_DIGITS)
# Figures such as '.612 [.590, .634]': no format interprets anything in them.
FIGURES = re.compile(r"[-+]?[\d.][\d.,+±-]*( \[[-+\d., ]+\])?", re.ASCII)


@dataclass(frozen=True)
class TextCell:
    """A cell with emphasis; a plain `str` is a cell without."""

    text: str
    bold: bool = False
    underline: bool = False
    italic: bool = False
    marks: tuple[str | int, ...] = ()
    """Symbols (`°`, `†`) and numbers of notes, raised behind the text."""


@dataclass(frozen=True)
class TextRow:
    """A row that is set apart; a plain tuple of cells is a row that is not."""

    cells: tuple[str | TextCell, ...]
    muted: bool = False
    """Whether it is there to compare with, as the level of chance."""
    rule: bool = False
    """Whether a group of rows begins with it, so that LaTeX draws a rule above it."""
    continues: bool = False
    """Whether it says more of the row above, so that no page ends between them."""


@dataclass(frozen=True)
class TextTable:
    """A table in words, which every format prints. Text is escaped by the format, never before.

    In a row shorter than the header the last cell spans the rest.
    """

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str | TextCell, ...] | TextRow, ...]
    notes: tuple[str, ...] = ()
    text_columns: int = 1
    """How many of the first columns are text, set left; the others are set right."""
    groups: tuple[str, ...] = ()
    """The title over each column that is not text; equal ones side by side are one title."""
    wide: bool = False
    """Whether LaTeX sets it over both columns of a page."""

    @property
    def full_header(self) -> list[str]:
        """The header of formats that have one line for it: `groups` stand before its titles."""
        first = list(self.header[: self.text_columns])
        rest = self.header[self.text_columns :]
        groups = self.groups or ("",) * len(rest)
        return first + [f"{group} {name}".strip() for group, name in zip(groups, rest, strict=True)]

    def text_rows(self) -> Iterable[tuple[TextRow, list[TextCell]]]:
        """Yield each row and its cells, without padding a short one."""
        for row in self.rows:
            row = row if isinstance(row, TextRow) else TextRow(row)
            yield row, [c if isinstance(c, TextCell) else TextCell(c) for c in row.cells]


@dataclass(frozen=True)
class TableDocument:
    """Tables, and what is said of all of them."""

    tables: tuple[TextTable, ...]
    notes: tuple[str, ...]

    def to_markdown(self) -> str:
        """Render the tables one after the other, then the notes as a list."""
        return f"{render_markdown(self.tables)}\n" + "".join(
            f"- {escape_markdown(note)}\n" for note in self.notes
        )


def render_markdown(tables: Iterable[TextTable]) -> str:
    """Render the tables one after the other, each with its title above and its notes below."""
    parts = []
    for table in tables:
        width = len(table.header)
        rows = [[escape_markdown(name) for name in table.full_header]]
        rows.append(
            [*["---"] * table.text_columns, *["--:"] * (width - table.text_columns)],
        )
        for row, cells in table.text_rows():
            texts = [_markdown_cell(cell) for cell in cells]
            if row.muted:
                texts[0] = f"*{texts[0]}*"
            rows.append(texts + [""] * (width - len(texts)))
        lines = [f"**{escape_markdown(table.title)}**", ""]
        lines += [f"| {' | '.join(texts)} |" for texts in rows]
        if table.notes:
            lines += ["", "  \n".join(map(escape_markdown, table.notes))]
        parts.append("\n".join(lines) + "\n")
    return "\n".join(parts)


def _markdown_cell(cell: TextCell) -> str:
    text = escape_markdown(cell.text)
    for flag, form in ((cell.italic, "*{}*"), (cell.underline, "<u>{}</u>"), (cell.bold, "**{}**")):
        text = form.format(text) if flag and text else text
    return text + raise_marks(cell.marks)


def csv_text(
    header: Sequence[str],
    rows: Iterable[Sequence[Any] | Mapping[str, Any]],
    number: Callable[[float], str] = repr,
) -> str:
    """Return exact records as CSV, a line each.

    Args:
        header: Names of the columns.
        rows: Cells in the order of `header`, or by its names; other names are left out.
        number: How a float is written. None and NaN are empty, booleans `true` and `false`. A text
            that a spreadsheet would compute is marked as one (`csv_cells`).
    """

    def cell(value: Any) -> Any:
        if value is None or (isinstance(value, float) and value != value):
            return ""
        if isinstance(value, bool):
            return str(value).lower()
        return number(float(value)) if isinstance(value, float) else value

    lines: list[Sequence[Any]] = [header]
    for row in rows:
        values = [row.get(name) for name in header] if isinstance(row, Mapping) else row
        lines.append(list(map(cell, values)))
    return write_rows(lines)


def note_number(number: int, text: str) -> str:
    """Return '¹ external', a note that cells refer to by its number."""
    return f"{superscript([number])} {text}"


def superscript(numbers: Iterable[int]) -> str:
    """Return '¹,²' for 1 and 2."""
    return ",".join(str(number) for number in numbers).translate(_SUPERSCRIPT)


def raise_marks(marks: Sequence[str | int]) -> str:
    """Return the marks behind a text, numbers of notes raised: '°¹,²'."""
    symbols = "".join(mark for mark in marks if isinstance(mark, str))
    return symbols + superscript(mark for mark in marks if isinstance(mark, int))


def escape_markdown(text: str) -> str:
    """Return `text` so that it cannot break out of a Markdown table cell, or steer a terminal."""
    if FIGURES.fullmatch(text):
        return text
    for character in "\\|*_`<>[]":
        text = text.replace(character, f"\\{character}")
    return make_visible(" ".join(text.split()))
