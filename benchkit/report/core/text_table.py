"""A table in words, and the formats that print it: Markdown, LaTeX, terminal."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from benchkit.report.leaderboard.tables import (
    LATEX_FITTED_BOX,
    LATEX_PACKAGES,
    escape_latex,
    escape_markdown,
)


@dataclass(frozen=True)
class TextTable:
    """What every format prints. The first column is text, the others stand right.

    A line shorter than the head has a text in its last cell that spans the rest.
    """

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...] = ()

    def pad_row(self, line: tuple[str, ...]) -> tuple[str, ...]:
        """The line with empty cells up to the length of the head."""
        return line + ("",) * (len(self.header) - len(line))


@dataclass(frozen=True)
class TableDocument:
    """Grids, and what is said of all of them."""

    tables: tuple[TextTable, ...]
    notes: tuple[str, ...]

    def to_markdown(self) -> str:
        """The grids one after the other, then the notes as a list."""
        return f"{render_markdown(self.tables)}\n" + "".join(
            f"- {escape_markdown(note)}\n" for note in self.notes
        )

    def print(self, console: Console) -> None:
        """Print it on a terminal."""
        print_tables(console, self.tables)
        console.print()
        for note in self.notes:
            console.print(Text(note, style="dim"))


def render_markdown(grids: Sequence[TextTable]) -> str:
    """All grids, one after the other."""
    parts = []
    for grid in grids:
        rows = [grid.header, *map(grid.pad_row, grid.rows)]
        body = [[escape_markdown(cell) for cell in row] for row in rows]
        body.insert(1, ["---", *["--:"] * (len(grid.header) - 1)])
        lines = [
            f"**{escape_markdown(grid.title)}**",
            "",
            *(f"| {' | '.join(row)} |" for row in body),
        ]
        if grid.notes:
            lines += ["", "  \n".join(map(escape_markdown, grid.notes))]
        parts.append("\n".join(lines) + "\n")
    return "\n".join(parts)


def render_latex(grids: Sequence[TextTable]) -> str:
    """All grids in booktabs style; needs \\usepackage{booktabs,graphicx}."""
    parts = [LATEX_PACKAGES]
    for grid in grids:
        width = len(grid.header)
        lines = [
            r"\begin{table}[t]", r"\centering", rf"\caption{{{escape_latex(grid.title)}}}",
            LATEX_FITTED_BOX, rf"\begin{{tabular}}{{l{'r' * (width - 1)}}}", r"\toprule",
            " & ".join(map(escape_latex, grid.header)) + r" \\", r"\midrule",
        ]  # fmt: skip
        for line in grid.rows:
            cells = [escape_latex(cell) for cell in line]
            if len(line) < width:
                span = width - len(line) + 1
                cells[-1] = rf"\multicolumn{{{span}}}{{l}}{{{cells[-1]}}}"
            lines.append(" & ".join(cells) + r" \\")
        lines += [r"\bottomrule", r"\end{tabular}}"]
        if grid.notes:
            lines.append(r"\par\smallskip\footnotesize " + " ".join(map(escape_latex, grid.notes)))
        parts.append("\n".join([*lines, r"\end{table}", ""]))
    return "\n".join(parts)


def print_tables(console: Console, grids: Sequence[TextTable]) -> None:
    """Print them on a terminal."""
    for grid in grids:
        console.print()
        console.print(Text(grid.title, style="bold"))
        table = RichTable(box=None, header_style="bold", pad_edge=False)
        for index, name in enumerate(grid.header):
            longest = max(map(len, name.split()), default=0)  # a heading is never cut in a word
            side: Literal["left", "right"] = "right" if index else "left"
            table.add_column(name, justify=side, no_wrap=not index, min_width=longest)
        for line in grid.rows:
            table.add_row(*map(Text, grid.pad_row(line)))
        console.print(table)
        for note in grid.notes:
            console.print(Text(note, style="dim"))
