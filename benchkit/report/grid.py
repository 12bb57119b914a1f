"""A table in words, and the formats that print it: Markdown, LaTeX, terminal."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from benchkit.report.tables import FITTED, PACKAGES, markdown_text, tex


@dataclass(frozen=True)
class Grid:
    """What every format prints. The first column is text, the others stand right.

    A line shorter than the head has a text in its last cell that spans the rest.
    """

    title: str
    head: tuple[str, ...]
    lines: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...] = ()

    def padded(self, line: tuple[str, ...]) -> tuple[str, ...]:
        """The line with empty cells up to the length of the head."""
        return line + ("",) * (len(self.head) - len(line))


@dataclass(frozen=True)
class Document:
    """Grids, and what is said of all of them."""

    grids: tuple[Grid, ...]
    notes: tuple[str, ...]

    def markdown(self) -> str:
        """The grids one after the other, then the notes as a list."""
        return f"{markdown(self.grids)}\n" + "".join(
            f"- {markdown_text(note)}\n" for note in self.notes
        )

    def show(self, console: Console) -> None:
        """Print it on a terminal."""
        show(console, self.grids)
        console.print()
        for note in self.notes:
            console.print(Text(note, style="dim"))


def markdown(grids: Sequence[Grid]) -> str:
    """All grids, one after the other."""
    parts = []
    for grid in grids:
        rows = [grid.head, *map(grid.padded, grid.lines)]
        body = [[markdown_text(cell) for cell in row] for row in rows]
        body.insert(1, ["---", *["--:"] * (len(grid.head) - 1)])
        lines = [
            f"**{markdown_text(grid.title)}**",
            "",
            *(f"| {' | '.join(row)} |" for row in body),
        ]
        if grid.notes:
            lines += ["", "  \n".join(map(markdown_text, grid.notes))]
        parts.append("\n".join(lines) + "\n")
    return "\n".join(parts)


def latex(grids: Sequence[Grid]) -> str:
    """All grids in booktabs style; needs \\usepackage{booktabs,graphicx}."""
    parts = [PACKAGES]
    for grid in grids:
        width = len(grid.head)
        lines = [
            r"\begin{table}[t]", r"\centering", rf"\caption{{{tex(grid.title)}}}",
            FITTED, rf"\begin{{tabular}}{{l{'r' * (width - 1)}}}", r"\toprule",
            " & ".join(map(tex, grid.head)) + r" \\", r"\midrule",
        ]  # fmt: skip
        for line in grid.lines:
            cells = [tex(cell) for cell in line]
            if len(line) < width:
                span = width - len(line) + 1
                cells[-1] = rf"\multicolumn{{{span}}}{{l}}{{{cells[-1]}}}"
            lines.append(" & ".join(cells) + r" \\")
        lines += [r"\bottomrule", r"\end{tabular}}"]
        if grid.notes:
            lines.append(r"\par\smallskip\footnotesize " + " ".join(map(tex, grid.notes)))
        parts.append("\n".join([*lines, r"\end{table}", ""]))
    return "\n".join(parts)


def show(console: Console, grids: Sequence[Grid]) -> None:
    """Print them on a terminal."""
    for grid in grids:
        console.print()
        console.print(Text(grid.title, style="bold"))
        table = RichTable(box=None, header_style="bold", pad_edge=False)
        for index, name in enumerate(grid.head):
            longest = max(map(len, name.split()), default=0)  # a heading is never cut in a word
            side: Literal["left", "right"] = "right" if index else "left"
            table.add_column(name, justify=side, no_wrap=not index, min_width=longest)
        for line in grid.lines:
            table.add_row(*map(Text, grid.padded(line)))
        console.print(table)
        for note in grid.notes:
            console.print(Text(note, style="dim"))
