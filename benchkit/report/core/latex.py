"""Text tables as LaTeX, in booktabs style."""

import re
from collections.abc import Iterable
from itertools import groupby

from benchkit.report.core.text_table import FIGURES, SUPERSCRIPT_DIGITS, TextCell, TextTable
from benchkit.visible_text import make_visible

LATEX_PACKAGES = "% needs \\usepackage{booktabs,graphicx}"
# Opens a box that is scaled down to the line where it is wider.
LATEX_FITTED_BOX = r"\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%"
_PARAGRAPH = r"p{.5\linewidth}"  # a long reason must not make the table wide and so all small
_MARKS = {"°": r"\circ", "†": r"\dagger", "‡": r"\ddagger"}
_ESCAPES = str.maketrans(
    {"&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
     "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "\\": r"\textbackslash{}",
     "<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}", "–": "--",
     # After the end of a line they would be read as an option of it.
     "[": "{[}", "]": "{]}", "*": "{*}"}
)  # fmt: skip
_DIRECTION = dict.fromkeys([0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A)])
_BASELINE = str.maketrans(SUPERSCRIPT_DIGITS, "0123456789")


def render_latex(tables: Iterable[TextTable]) -> str:
    """Render the tables in booktabs style; they need \\usepackage{booktabs,graphicx}."""
    return "\n".join([LATEX_PACKAGES, *map(_table, tables)])


def _table(table: TextTable) -> str:
    width, environment = len(table.header), "table*" if table.wide else "table"
    columns = "l" * table.text_columns + "r" * (width - table.text_columns)
    lines = [
        rf"\begin{{{environment}}}[t]", r"\centering", rf"\caption{{{escape_latex(table.title)}}}",
        LATEX_FITTED_BOX, rf"\begin{{tabular}}{{{columns}}}", r"\toprule", *_groups(table),
        _row(map(escape_latex, table.header)), r"\midrule",
    ]  # fmt: skip
    for row, cells in table.text_rows():
        texts = [_cell(cell) for cell in cells]
        span = width - len(texts) + 1
        if span > 1 and len(texts) == 1:
            texts = [rf"\multicolumn{{{span}}}{{l}}{{{texts[0]}}}"]
        elif span > 1:
            texts[-1] = rf"\multicolumn{{{span}}}{{{_PARAGRAPH}}}{{\raggedright {texts[-1]}}}"
        lines += [r"\midrule"] * row.rule + [_row(texts)]
    lines += [r"\bottomrule", r"\end{tabular}}"]
    if table.notes:
        lines.append(r"\par\smallskip\footnotesize " + " ".join(map(_note, table.notes)))
    return "\n".join([*lines, rf"\end{{{environment}}}", ""])


def _groups(table: TextTable) -> list[str]:
    """Return the line of titles over the header, and the rules below them."""
    if not table.groups:
        return []
    titles, rules, start = [""] * table.text_columns, [], table.text_columns + 1
    for title, members in groupby(table.groups):
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
    """Return a note with its marks and numbers raised as those in the table are."""
    text = escape_latex(note)
    for mark, command in _MARKS.items():
        text = text.replace(mark, _raise([command]))
    return re.sub(f"[{SUPERSCRIPT_DIGITS}]+", lambda m: _raise([m[0].translate(_BASELINE)]), text)


def _raise(marks: Iterable[str]) -> str:
    joined = ",".join(marks)
    return f"$^{{{joined}}}$" if joined else ""


def escape_latex(text: str) -> str:
    """Return `text` in one paragraph, with everything that LaTeX would interpret escaped.

    Marks that turn the direction of text are left out, control characters written as their code;
    LaTeX takes no such character. Scripts other than Latin need lualatex or
    xelatex.
    """
    return (
        text
        if FIGURES.fullmatch(text)
        else make_visible(" ".join(text.split()).translate(_DIRECTION)).translate(_ESCAPES)
    )
