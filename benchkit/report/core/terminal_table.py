"""A table on a terminal: no figure, heading or column is cut, however narrow the window is.

What can be wrapped at spaces is: headings, and cells of words. Where that does not suffice, the
table is set in blocks of columns, one below the other, each behind the text columns.
"""

import os
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import zip_longest

from rich.console import Console
from rich.text import Text

from benchkit.console import VisibleConsole
from benchkit.report.core.column_split import split_columns
from benchkit.report.core.text_table import (
    TableDocument,
    TextCell,
    TextRow,
    TextTable,
    raise_marks,
)
from benchkit.visible_text import make_visible, make_visible_line

_GAP = 2
_PROSE_WIDTH = 20  # longer cells are wrapped where they would make a table too wide
_FIGURES = re.compile(r"[-+±\d.,<%/×\[\]() ]+", re.ASCII)


def print_tables(console: Console, tables: Iterable[TextTable]) -> None:
    """Print them on a terminal."""
    for table in tables:
        console.print()
        console.print(Text(make_visible(table.title), style="bold"))
        for number, lines in enumerate(_TableGrid(table, console).blocks()):
            if number:
                console.print()
            for line in lines:
                console.print(line, soft_wrap=True)
        print_notes(console, table.notes)


def print_document(console: Console, document: TableDocument) -> None:
    """Print tables and what is said of all of them on a terminal."""
    print_tables(console, document.tables)
    console.print()
    print_notes(console, document.notes)


def print_notes(console: Console, notes: Iterable[str]) -> None:
    """Print what is said of tables."""
    for note in notes:
        console.print(Text(make_visible(note), style="dim"))


def fits_terminal(console: Console, table: TextTable) -> bool:
    """Return whether a table has so much room that it is not set in blocks."""
    return len(_TableGrid(table, console).split) == 1


def wide_console() -> Console:
    """Return a console that is wide enough for tables where no window limits it."""
    has_width = sys.stdout.isatty() or "COLUMNS" in os.environ
    return VisibleConsole() if has_width else VisibleConsole(width=140)


@dataclass(frozen=True)
class _TableGrid:
    """The cells of a table as they are printed, and their widths."""

    table: TextTable
    console: Console

    @cached_property
    def header(self) -> list[str]:
        return list(map(make_visible_line, self.table.full_header))

    @cached_property
    def lines(self) -> list[tuple[TextRow, list[Text]]]:
        return [(row, list(map(_cell_text, cells))) for row, cells in self.table.text_rows()]

    @cached_property
    def columns(self) -> list[list[Text]]:
        """The cells of each column; of a short row, without the last, which spans what is missing.

        A row of one cell, the title of those below it, has none.
        """
        lines = [cells for _, cells in self.lines]
        count = len(self.header)
        lines = [cells if len(cells) == count else cells[:-1] for cells in lines]
        return [[cells[i] for cells in lines if i < len(cells)] for i in range(count)]

    @cached_property
    def natural(self) -> list[int]:
        """The width of each column in which nothing is wrapped."""
        return [
            max([Text(title).cell_len, *(cell.cell_len for cell in cells)])
            for title, cells in zip(self.header, self.columns, strict=True)
        ]

    @cached_property
    def least(self) -> list[int]:
        """The width of each column below which a figure or a word would be cut."""
        n_text, width = self.table.text_columns, self.console.width
        widths = []
        for place, (title, cells) in enumerate(zip(self.header, self.columns, strict=True)):
            least = max([_longest_word(title), *map(_least_width, cells)])
            if place:
                widths.append(min(least, max(1, width * 2 // 5 - 2 * _GAP)))
            else:  # names are wrapped only where they would leave no room for a figure
                widths.append(min(self.natural[0], max(1, width * 3 // 5 // n_text)))
        return widths

    @cached_property
    def split(self) -> list[list[int]]:
        """The places of the columns of each block, without the text columns."""
        start = self.table.text_columns
        widths = [width + _GAP for width in self.least]
        room = self.console.width + _GAP - sum(widths[:start])
        return split_columns([[p] for p in range(start, len(widths))], widths, room) or [[]]

    def blocks(self) -> Iterator[Iterator[Text]]:
        """Yield the lines of each block."""
        for places in self.split:
            yield self._block([*range(self.table.text_columns), *places])

    def _block(self, places: Sequence[int]) -> Iterator[Text]:
        widths = self._fit(places)
        n_left = self.table.text_columns
        header = [Text(self.header[place], style="bold") for place in places]
        yield from self._join(header, widths, n_left)
        for row, cells in self.lines:
            style = "dim italic" if row.muted else ""
            if len(cells) == len(self.header):
                line = [cells[place] for place in places]
                if not row.muted or any(cell.plain for cell in line[n_left:]):
                    yield from self._join(line, widths, n_left, style)
                continue
            # The last cell of a short row has the room of those that are missing.
            before = [widths[i] for i in range(min(len(cells) - 1, len(widths)))]
            last = cells[-1].copy()
            if len(cells) > 1:
                last.stylize("red")  # why the rest is missing
            left = self.console.width - sum(width + _GAP for width in before)
            line = [*cells[: len(before)], last]
            yield from self._join(line, [*before, max(1, left)], len(line), style)

    def _fit(self, places: Sequence[int]) -> list[int]:
        """Return widths that there is room for: the widest column that can be wrapped gives way."""
        widths = [self.natural[place] for place in places]
        room = self.console.width - _GAP * (len(places) - 1)
        while sum(widths) > room:
            wide = [i for i, place in enumerate(places) if widths[i] > self.least[place]]
            if not wide:
                break
            widths[max(wide, key=widths.__getitem__)] -= 1
        return widths

    def _join(
        self, cells: Sequence[Text], widths: Sequence[int], n_left: int, style: str = ""
    ) -> Iterator[Text]:
        """Yield the lines of a row, each cell wrapped to its column; the first are set left."""
        wrapped = [
            list(cell.wrap(self.console, width, overflow="fold")) if cell.plain else []
            for cell, width in zip(cells, widths, strict=True)
        ]
        for parts in zip_longest(*wrapped, fillvalue=Text("")):
            line = Text(style=style)
            for place, (part, width) in enumerate(zip(parts, widths, strict=True)):
                padding = " " * max(0, width - part.cell_len)
                line.append(" " * _GAP * bool(place))
                line.append_text(part if place < n_left else Text(padding) + part)
                line.append(padding if place < n_left else "")
            line.rstrip()
            yield line


def _cell_text(cell: TextCell) -> Text:
    text = Text(make_visible(cell.text))
    for flag, style in (
        (cell.italic, "italic"), (cell.underline, "underline"), (cell.bold, "bold green"),
    ):  # fmt: skip
        if flag:
            text.stylize(style)
    return text.append(raise_marks(cell.marks), style="yellow")


def _longest_word(text: str) -> int:
    return max((Text(word).cell_len for word in text.split()), default=0)


def _least_width(cell: Text) -> int:
    """Return how wide a column must be for a cell: figures are never wrapped."""
    if _FIGURES.fullmatch(cell.plain):
        return cell.cell_len
    return max(_longest_word(cell.plain), min(cell.cell_len, _PROSE_WIDTH))
