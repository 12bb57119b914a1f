"""Text tables as LaTeX, in booktabs style."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

from benchkit.report.core.latex_blocks import (
    COLUMN_GAP,
    LINE_WIDTH,
    PAGE_HEIGHT,
    ColumnBlock,
    TableWidths,
    column_blocks,
    latex_width,
    row_blocks,
)
from benchkit.report.core.latex_text import escape_latex
from benchkit.report.core.text_table import TextCell, TextTable

LATEX_PACKAGES = "% needs \\usepackage{booktabs,graphicx}"
# Opens a box that is scaled down to the line where it is wider.
LATEX_FITTED_BOX = r"\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%"
_PARAGRAPH = r"p{.5\linewidth}"  # a long reason must not make the table wide and so all small
_MARKS = {"°": r"\circ", "†": r"\dagger", "‡": r"\ddagger"}
# Least scale of a table, its font, the height of its lines in points, and the font of its notes
# with its scale: notes are not to be larger than what they explain.
_SIZES = (
    (1.0, r"\normalsize", 12.0, r"\footnotesize", 0.8),
    (0.9, r"\small", 11.0, r"\footnotesize", 0.8),
    (0.8, r"\footnotesize", 9.5, r"\scriptsize", 0.7),
    (0.0, r"\scriptsize", 8.0, r"\scriptsize", 0.7),
)
_FRAME = 20.0  # the rules of a block and the space around it, in points
_LONGEST = 1.1  # of a page: what is scaled down to it can still be read
_NOTE_LEADING = 12.0  # of a note's font, in points at full size


def render_latex(tables: Iterable[TextTable]) -> str:
    """Render the tables in booktabs style; they need \\usepackage{booktabs,graphicx}.

    A table that is too wide for a line is set in blocks of columns, one below the other, one that
    is too long for a page in blocks of rows, and over several tables where a page has no room for
    them all.
    """
    return "\n".join([LATEX_PACKAGES, *(float_ for table in tables for float_ in _floats(table))])


def _floats(table: TextTable) -> Iterator[str]:
    """Yield the table as one or several that each fit a page."""
    widths = TableWidths(table)
    split = widths.split()
    scale = widths.scale(split)
    _, font, leading, note_font, note_scale = next(size for size in _SIZES if scale >= size[0])
    columns = column_blocks(table, split)
    notes = " ".join(map(_note, table.notes))
    # Two lines more than the estimate: the last one of a caption and of the notes are not full.
    notes_height = _lines(" ".join(table.notes), note_scale) * _NOTE_LEADING * note_scale + 24
    room = max(0.4 * PAGE_HEIGHT, PAGE_HEIGHT - notes_height - 12 * _lines(table.title, 1) - 24)
    # A little longer than a page is scaled down, which is better than twice as many pages.
    limit = int((_LONGEST * room - _FRAME) / leading) - 2 - bool(table.groups)
    blocks = [part for block in columns for part in row_blocks(block, limit)]
    parts = _pages(blocks, leading, room)
    environment = "table*" if table.wide else "table"
    for number, part in enumerate(parts, 1):
        title = f"{table.title} ({number} of {len(parts)})" if len(parts) > 1 else table.title
        lines = [
            rf"\begin{{{environment}}}[t]", r"\centering", rf"\caption{{{escape_latex(title)}}}",
            rf"{font}\setlength{{\tabcolsep}}{{{COLUMN_GAP:g}pt}}%",
        ]  # fmt: skip
        height = room / len(part) / PAGE_HEIGHT
        for place, block in enumerate(part):
            lines += [r"\par\medskip"] * (place > 0)
            lines += [_fitted_height(height), LATEX_FITTED_BOX, *_tabular(table, block)]
        if notes and number == len(parts):
            lines.append(rf"\par\smallskip\parbox{{\linewidth}}{{{note_font} {notes}}}")
        yield "\n".join([*lines, rf"\end{{{environment}}}", ""])


def _lines(text: str, scale: float) -> int:
    return int(latex_width(text) * scale / LINE_WIDTH) + 1 if text else 0


def _pages(blocks: Sequence[ColumnBlock], leading: float, room: float) -> list[list[ColumnBlock]]:
    """Return the blocks of each page; one that is too long is scaled down."""
    pages: list[list[ColumnBlock]] = []
    left = -1.0
    for block in blocks:
        height = leading * (len(block.lines) + 2 + bool(block.groups)) + _FRAME
        if height > left or not pages:
            pages.append([])
            left = room
        pages[-1].append(block)
        left -= height
    return pages


def _fitted_height(share: float) -> str:
    """Open a box that is scaled down to a share of the page where it is higher."""
    limit = rf"{share:.2f}\textheight"
    return rf"\resizebox*{{!}}{{\ifdim\totalheight>{limit} {limit}\else\totalheight\fi}}{{%"


def _tabular(table: TextTable, block: ColumnBlock) -> list[str]:
    """Return a block, and the ends of the two boxes around it: a line between would be a space."""
    width = len(block.header)
    columns = "l" * table.text_columns + "r" * (width - table.text_columns)
    lines = [
        rf"\begin{{tabular}}{{{columns}}}", r"\toprule", *_groups(table, block),
        _row(map(escape_latex, block.header)), r"\midrule",
    ]  # fmt: skip
    for row, cells in block.lines:
        texts = [_cell(cell) for cell in cells]
        span = width - len(texts) + 1
        if span > 1 and len(texts) == 1:
            texts = [rf"\multicolumn{{{span}}}{{l}}{{{texts[0]}}}"]
        elif span > 1:
            texts[-1] = rf"\multicolumn{{{span}}}{{{_PARAGRAPH}}}{{\raggedright {texts[-1]}}}"
        lines += [r"\midrule"] * row.rule + [_row(texts)]
    return [*lines, r"\bottomrule", r"\end{tabular}}}"]


def _groups(table: TextTable, block: ColumnBlock) -> list[str]:
    """Return the line of titles over the header, and the rules below them."""
    if not block.groups:
        return []
    titles, rules, start = [""] * table.text_columns, [], table.text_columns + 1
    for title, members in groupby(block.groups):
        size = len(list(members))
        titles.append(rf"\multicolumn{{{size}}}{{c}}{{{escape_latex(title)}}}")
        rules += [rf"\cmidrule(lr){{{start}-{start + size - 1}}}"] * bool(title)
        start += size
    return [_row(titles), " ".join(rules)]


def _row(cells: Iterable[str]) -> str:
    return " & ".join(cells) + r" \\"


def _cell(cell: TextCell) -> str:
    text = escape_latex(cell.text)
    for flag, form in (
        (cell.italic, "textit"), (cell.underline, "underline"), (cell.bold, "textbf"),
    ):  # fmt: skip
        text = rf"\{form}{{{text}}}" if flag else text
    return text + _raise(_MARKS.get(str(mark), str(mark)) for mark in cell.marks)


def _note(note: str) -> str:
    """Return a note as a sentence, its marks and numbers raised as those in the table are."""
    text = escape_latex(note if note.endswith((".", "!", "?", ":")) else f"{note}.")
    for mark, command in _MARKS.items():
        text = text.replace(mark, _raise([command]))
    return text


def _raise(marks: Iterable[str]) -> str:
    joined = ",".join(marks)
    return f"$^{{{joined}}}$" if joined else ""
