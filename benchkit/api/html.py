"""Tables as HTML, for notebooks: as on a terminal, with little style, so that any theme reads well.

Nothing has a colour of its own but the reason of a row without figures, which is readable on white
and on black; chance stands back by its opacity.
"""

from collections.abc import Iterable
from html import escape

from benchkit.report.core.text_table import TextCell, TextTable

_TABLE = "font-variant-numeric: tabular-nums; border-collapse: collapse; margin-bottom: 0.5em"
_CAPTION = "caption-side: top; text-align: left; font-weight: bold"
_MUTED = "opacity: 0.7"
_REASON = "color: #d33"


def tables_to_html(tables: Iterable[TextTable], notes: Iterable[str] = ()) -> str:
    """Return tables one after the other, each with its caption and notes, then common notes."""
    return "\n".join([*map(_table, tables), *_notes(notes)])


def _table(table: TextTable) -> str:
    width = len(table.header)
    lines = [
        f'<table style="{_TABLE}">',
        f'<caption style="{_CAPTION}">{escape(table.title)}</caption>',
        f"<thead>{_row([escape(name) for name in table.full_header], table, 'th')}</thead>",
        "<tbody>",
    ]
    for row, cells in table.text_rows():
        texts = [_cell(cell) for cell in cells]
        if row.muted:
            texts = [f"<em>{text}</em>" for text in texts]
        span = width - len(texts) + 1
        lines.append(_row(texts, table, "td", span, _MUTED if row.muted else ""))
    return "\n".join([*lines, "</tbody>", "</table>", *_notes(table.notes)])


def _row(texts: list[str], table: TextTable, tag: str, span: int = 1, style: str = "") -> str:
    """Set text columns left and the others right; the last cell spans what is missing, and why."""
    cells = []
    for index, text in enumerate(texts):
        is_spanning = span > 1 and index == len(texts) - 1
        side = "left" if index < table.text_columns or is_spanning else "right"
        attribute = f' colspan="{span}"' if is_spanning else ""
        reason = f"; {_REASON}" if is_spanning and index else ""
        cells.append(f'<{tag} style="text-align: {side}{reason}"{attribute}>{text}</{tag}>')
    attribute = f' style="{style}"' if style else ""
    return f"<tr{attribute}>{''.join(cells)}</tr>"


def _cell(cell: TextCell) -> str:
    text = escape(cell.text)
    for applies, tag in ((cell.bold, "strong"), (cell.underline, "u"), (cell.italic, "em")):
        text = f"<{tag}>{text}</{tag}>" if applies and text else text
    raised = "".join(f"<sup>{escape(str(mark))}</sup>" for mark in cell.marks)
    return text + raised


def _notes(notes: Iterable[str]) -> list[str]:
    lines = [escape(note) for note in notes]
    return [f"<p><small>{'<br>'.join(lines)}</small></p>"] if lines else []
