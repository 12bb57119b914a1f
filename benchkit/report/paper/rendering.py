"""The papers' layout as Markdown and LaTeX."""

from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from typing import NamedTuple

from benchkit.report.core.labels import CHANCE_MARK, caveat_notes, format_rate, metric_title
from benchkit.report.leaderboard.tables import (
    LATEX_FITTED_BOX,
    LATEX_PACKAGES,
    escape_latex,
    escape_markdown,
)
from benchkit.report.paper.paper_table import AVERAGE, PaperColumn, PaperRow, PaperTable
from benchkit.runs.records import PER_TOKEN, PlanRecord

SIGNIFICANCE_MARK = "†"
_PROTOCOLS = {
    "scored": "frozen candidates, scored",
    PER_TOKEN: "frozen candidates, scored by the mean log-probability of a token",
    "full": "whole catalogue, scored",
    "sampled": "sampled answers",
}
_BLANK = "–"


def paper_markdown(plan: PlanRecord, layouts: Sequence[PaperTable], intervals: bool = False) -> str:
    """All layouts; with `intervals`, 95 % intervals beside the values."""
    parts = []
    for layout in layouts:
        columns = layout.columns
        head = ["Method"]
        head += [escape_markdown(f"{task} {metric_title(metric)}") for task, metric in columns]
        lines = [head, ["---", *["--:"] * len(columns)]]
        lines.append(["*Chance*", *(_chance(layout, column) for column in columns)])
        for family, members in layout.families():
            if family:
                lines.append([f"*{escape_markdown(family)}*", *[""] * len(columns)])
            for line in members:
                lines.append(
                    [_label(line, escape_markdown)]
                    + [_cell(layout, line, column, intervals, _MARKDOWN) for column in columns]
                )
                for name, cells in _published(layout, line):
                    lines.append([escape_markdown(name), *cells])
        body = "\n".join(f"| {' | '.join(line)} |" for line in lines)
        notes = "  \n".join(map(escape_markdown, paper_notes(layout)))
        title = escape_markdown(_title(plan, layout))
        parts.append(f"**{title}**\n\n{body}\n\n{notes}\n")
    return "\n".join(parts)


def paper_latex(plan: PlanRecord, layouts: Sequence[PaperTable], intervals: bool = False) -> str:
    """All layouts in booktabs style, wide; needs \\usepackage{booktabs,graphicx}."""
    parts = [LATEX_PACKAGES]
    for layout in layouts:
        columns, width = layout.columns, len(layout.columns)
        tasks = [(task, len(list(own))) for task, own in groupby(columns, lambda c: c[0])]
        lines = [
            r"\begin{table*}[t]", r"\centering", rf"\caption{{{escape_latex(_title(plan, layout))}}}",
            LATEX_FITTED_BOX, rf"\begin{{tabular}}{{l{'r' * width}}}", r"\toprule",
            " & ".join(["", *(rf"\multicolumn{{{n}}}{{c}}{{{escape_latex(task)}}}" for task, n in tasks)])
            + r" \\", _rules([n for _, n in tasks]),
            " & ".join(["Method", *(escape_latex(metric_title(metric)) for _, metric in columns)]) + r" \\",
            r"\midrule",
            " & ".join(["Chance", *(_chance(layout, column) for column in columns)]) + r" \\",
        ]  # fmt: skip
        for family, members in layout.families():
            lines.append(r"\midrule")
            if family:
                lines.append(
                    rf"\multicolumn{{{width + 1}}}{{l}}{{\textit{{{escape_latex(family)}}}}} \\"
                )
            for line in members:
                cells = [_cell(layout, line, column, intervals, _LATEX) for column in columns]
                lines.append(" & ".join([_label(line, escape_latex), *cells]) + r" \\")
                for name, values in _published(layout, line):
                    lines.append(
                        " & ".join([escape_latex(name), *map(escape_latex, values)]) + r" \\"
                    )
        notes = " ".join(map(_tex_note, paper_notes(layout)))
        lines += [r"\bottomrule", r"\end{tabular}}", r"\par\smallskip\footnotesize " + notes]
        parts.append("\n".join([*lines, r"\end{table*}", ""]))
    return "\n".join(parts)


class _Marks(NamedTuple):
    """How a format writes the best, the second, what beats all others, and nothing."""

    best: str
    second: str
    beats: str
    blank: str


_MARKDOWN = _Marks("**{}**", "<u>{}</u>", SIGNIFICANCE_MARK, _BLANK)
_LATEX = _Marks(r"\textbf{{{}}}", r"\underline{{{}}}", r"$^{\dagger}$", "--")


def _cell(
    layout: PaperTable, line: PaperRow, column: PaperColumn, intervals: bool, marks: _Marks
) -> str:
    cell = line.cells.get(column)
    if cell is None:
        return marks.blank
    text = _number(layout, cell.mean)
    if intervals and cell.low is not None and cell.high is not None and cell.low < cell.high:
        text += f" [{_number(layout, cell.low)}, {_number(layout, cell.high)}]"
    place = layout.top_ranks(column).get(line.label)
    text = {1: marks.best, 2: marks.second}.get(place or 0, "{}").format(text)
    return text + (marks.beats if column in line.significant else "")


def _label(line: PaperRow, escape: Callable[[str], str]) -> str:
    circle = CHANCE_MARK if escape is escape_markdown else r"$^{\circ}$"
    return escape(line.label) + (circle if line.at_chance else "")


def _published(layout: PaperTable, line: PaperRow) -> Iterator[tuple[str, list[str]]]:
    """What papers print for a method, and ours minus theirs, below its line."""
    if not line.published:
        return
    papers = dict.fromkeys(f"{f.paper}, {f.table}" for f in line.published.values())
    found = [line.published.get(column) for column in layout.columns]
    printed = [_number(layout, figure.value) if figure else "" for figure in found]
    yield f"published: {'; '.join(papers)}", printed
    differences = []
    for figure, column in zip(found, layout.columns, strict=True):
        ours = line.cells.get(column)
        more = ours.mean - figure.value if figure and ours else None
        differences.append("" if more is None else _signed(layout, more))
    if any(differences):
        yield "ours minus published", differences


def _chance(layout: PaperTable, column: PaperColumn) -> str:
    return _number(layout, layout.chance[column]) if column in layout.chance else ""


# What papers multiply rates by, and the digits that they print.
_UNITS = {"percent": (100, 2), "ratio": (1, 4)}


def _number(layout: PaperTable, rate: float) -> str:
    if layout.unit not in _UNITS:
        return format_rate(rate)
    factor, digits = _UNITS[layout.unit]
    return f"{factor * rate:.{digits}f}"


def _signed(layout: PaperTable, rate: float) -> str:
    factor, digits = _UNITS.get(layout.unit, (1, 3))
    return f"{factor * rate:+.{digits}f}"


def _title(plan: PlanRecord, layout: PaperTable) -> str:
    shape = f", in the shape of {layout.published_table}" if layout.published_table else ""
    return f"{plan.title}{shape} ({_PROTOCOLS.get(layout.protocol, layout.protocol)})"


def paper_notes(layout: PaperTable) -> list[str]:
    """What the marks mean, and what is missing."""
    notes = ["Best of a column bold, second underlined. Chance: exact value of a random ranking."]
    if any(line.significant for line in layout.rows):
        external = ", external ones included" if any(x.external for x in layout.rows) else ""
        notes.append(
            f"{SIGNIFICANCE_MARK} better than every other row (paired tests over the same users, Holm over"
            f" all columns and rivals{external}, 5 %)."
        )
        notes += layout.test_notes
    for line in layout.rows:
        if line.at_chance:
            where = ", ".join(task for task in layout.tasks if task in line.at_chance)
            notes.append(f"{CHANCE_MARK} {line.label}: not significantly above chance on {where}.")
    averaged = any(task == AVERAGE for task, _ in layout.columns)
    for line in layout.rows:
        for task, why in line.missing_reasons.items():
            average = "; it has no average" if averaged else ""
            notes.append(f"{line.label}, {task}: {why}{average}.")
    caveats = caveat_notes((line.label, line.caveats) for line in layout.rows)
    return [*notes, *layout.notes, *caveats]


def _tex_note(note: str) -> str:
    return (
        escape_latex(note)
        .replace(CHANCE_MARK, r"$^{\circ}$")
        .replace(SIGNIFICANCE_MARK, r"$^{\dagger}$")
    )


def _rules(widths: Sequence[int]) -> str:
    rules, start = [], 2
    for width in widths:
        rules.append(rf"\cmidrule(lr){{{start}-{start + width - 1}}}")
        start += width
    return " ".join(rules)
