"""How wide a table is in LaTeX, and its columns in blocks that a page has room for.

A table that is scaled down to the page until it fits cannot be read: one of five domains with
intervals would be set in 3 points. It is set in blocks of columns instead, one below the other,
each with the first columns again. Widths are estimated from the characters of the standard font;
where the estimate falls short, the block is scaled down by what is left.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import groupby

from benchkit.report.core.column_split import split_columns
from benchkit.report.core.text_table import TextCell, TextRow, TextTable

LINE_WIDTH = 345.0
"""Of the class article at 10 points; lines of other classes are wider, but for narrow columns."""
PAGE_HEIGHT = 550.0
COLUMN_GAP = 3.0
"""What is left free on either side of a column, in points."""
SMALLEST_SCALE = 0.62
"""Of the font: 6.2 points."""
_NARROW, _NARROW_WIDTH = set(".,:;'|!ijl[]()It/-` "), 3.2
_WIDE, _WIDE_WIDTH = set("mwMWNOQ@%—GD"), 7.8
_CAPITAL_WIDTH, _OTHER_WIDTH, _MARK_WIDTH = 6.8, 5.0, 4.0

TableLine = tuple[TextRow, list[TextCell]]


@dataclass(frozen=True)
class ColumnBlock:
    """Some of a table's columns behind its text columns."""

    header: tuple[str, ...]
    groups: tuple[str, ...]
    lines: tuple[TableLine, ...]


@dataclass(frozen=True)
class TableWidths:
    """The widths of a table's columns, in points at the font's full size."""

    table: TextTable

    @cached_property
    def columns(self) -> list[float]:
        """The width of each column, with the space around it."""
        table = self.table
        widths = [latex_width(title) for title in table.header]
        for _, cells in table.text_rows():
            if len(cells) == len(widths):
                widths = [max(w, _cell_width(c)) for w, c in zip(widths, cells, strict=True)]
        widths = [width + 2 * COLUMN_GAP for width in widths]
        for title, places in self._groups:
            # A title over columns that is wider than they are widens the last of them.
            missing = latex_width(title) + 2 * COLUMN_GAP - sum(widths[p] for p in places)
            widths[places[-1]] += max(0.0, missing)
        return widths

    @property
    def _groups(self) -> Iterator[tuple[str, list[int]]]:
        start = self.table.text_columns
        for title, members in groupby(enumerate(self.table.groups, start), lambda pair: pair[1]):
            yield title, [place for place, _ in members]

    def split(self) -> list[list[int]]:
        """Return the places of the columns of each block, without the text columns.

        Columns below one title stay together where a block has room for them, and blocks have
        about as many as each other.
        """
        table, widths = self.table, self.columns
        places = list(range(table.text_columns, len(widths)))
        room = LINE_WIDTH / SMALLEST_SCALE - sum(widths[: table.text_columns])
        short = (cells for _, cells in table.text_rows() if len(cells) < len(widths))
        keeps_rows = all(len(cells) <= table.text_columns + 1 for cells in short)
        if sum(widths[place] for place in places) <= room or not keeps_rows:
            return [places]
        units = [members for _, members in self._groups] or [[place] for place in places]
        return split_columns(units, widths, room)

    def scale(self, blocks: Sequence[Sequence[int]]) -> float:
        """Return what the widest block must be multiplied by to be as wide as a line."""
        first = sum(self.columns[: self.table.text_columns])
        widest = max(sum(self.columns[place] for place in block) for block in blocks)
        return LINE_WIDTH / (first + widest)


def column_blocks(table: TextTable, split: Sequence[Sequence[int]]) -> list[ColumnBlock]:
    """Return the blocks of a table, each with the text columns and those of `split`."""
    return [_block(table, block) for block in split]


def _block(table: TextTable, places: Sequence[int]) -> ColumnBlock:
    start, width = table.text_columns, len(table.header)
    chosen = [*range(start), *places]
    lines = tuple(
        (row, [cells[place] for place in chosen] if len(cells) == width else cells)
        for row, cells in table.text_rows()
    )
    groups = tuple(table.groups[place - start] for place in places) if table.groups else ()
    return ColumnBlock(tuple(table.header[place] for place in chosen), groups, lines)


def row_blocks(block: ColumnBlock, limit: int) -> list[ColumnBlock]:
    """Return a block in parts of about equally many rows, `limit` or fewer where that is possible.

    What continues a row stays with it, and the title of a group with the row below.
    """
    count = -(-len(block.lines) // max(1, limit))
    size = -(-len(block.lines) // max(1, count))
    parts: list[list[TableLine]] = [[]]
    for unit in _row_units(block.lines):
        if parts[-1] and len(parts[-1]) + len(unit) > max(size, 1):
            parts.append([])
        parts[-1] += unit
    return [replace(block, lines=tuple(part)) for part in parts]


def _row_units(lines: Sequence[TableLine]) -> Iterator[list[TableLine]]:
    """Yield the rows that stay together."""
    unit: list[TableLine] = []
    for line in lines:
        begins = not (line[0].continues or (unit and len(unit[-1][1]) == 1))
        if begins and unit:
            yield unit
            unit = []
        unit.append(line)
    if unit:
        yield unit


def latex_width(text: str) -> float:
    """Return about how wide a text is at 10 points.

    >>> latex_width("0.123") < latex_width("HR@10")
    True
    """
    return sum(map(_character_width, text))


def _character_width(character: str) -> float:
    if character in _NARROW:
        return _NARROW_WIDTH
    if character in _WIDE:
        return _WIDE_WIDTH
    return _CAPITAL_WIDTH if character.isupper() else _OTHER_WIDTH


def _cell_width(cell: TextCell) -> float:
    bolder = 1.12 if cell.bold else 1.0
    return bolder * latex_width(cell.text) + _MARK_WIDTH * len(cell.marks)
