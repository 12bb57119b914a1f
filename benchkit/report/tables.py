"""Tables as text: Markdown, LaTeX and CSV. Same store, same bytes."""

import csv
import io
from collections.abc import Iterable, Sequence

from benchkit.records import Plan
from benchkit.report.costs import per_thousand
from benchkit.report.model import Results, Row, Table
from benchkit.report.wording import (
    NOT_ABOVE,
    best,
    caption,
    columns,
    footnotes,
    is_at_chance,
    legend,
    metric_title,
    number,
    seconds,
    shown,
    superscript,
)

_LATEX = str.maketrans(
    {"&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
     "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "\\": r"\textbackslash{}",
     "<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}",
     # After the end of a line they would be read as an option of it.
     "[": "{[}", "]": "{]}", "*": "{*}",
     **dict.fromkeys("\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069", "")}
)  # fmt: skip

PACKAGES = "% needs \\usepackage{booktabs,graphicx}"
# Opens a box that is scaled down to the line where it is wider.
FITTED = r"\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%"

_TEXT = r"{p{.5\linewidth}}"  # a long reason must not make the table wide, and so all of it small


def markdown(results: Results) -> str:
    """All tables, each with its caption and legend."""
    parts = []
    for table in results.tables:
        names = columns(results.plan, table)
        head = ["Method", "Family", *map(metric_title, names), "Fit (s)"]
        lines = [head, ["---", "---", *("--:" for _ in range(len(names) + 1))]]
        lines.append(["*Chance*", "", *_chance(table, names), ""])
        remarks = footnotes(table)
        for row in table.rows:
            mark = NOT_ABOVE if is_at_chance(row, results.plan) else ""
            mark += superscript(remarks[remark] for remark in row.remarks)
            label, family = markdown_text(row.label) + mark, markdown_text(row.family)
            if not row.cells:
                lines.append([label, family, markdown_text(row.status), *[""] * len(names)])
                continue
            cells = [_bold(table, row, name) for name in names]
            lines.append([label, family, *cells, seconds(row)])
        body = "\n".join(f"| {' | '.join(line)} |" for line in lines)
        notes = [f"{superscript([n])} {markdown_text(text)}" for text, n in remarks.items()]
        legend_text = "  \n".join([*map(markdown_text, legend(results.plan, table)), *notes])
        parts.append(
            f"**{markdown_text(caption(results.plan, table))}**\n\n{body}\n\n{legend_text}\n"
        )
    return "\n".join(parts)


def latex(results: Results) -> str:
    """All tables in booktabs style; needs \\usepackage{booktabs,graphicx}."""
    parts = [PACKAGES]
    for table in results.tables:
        names = columns(results.plan, table)
        lines = [
            r"\begin{table}[t]",
            r"\centering",
            rf"\caption{{{tex(caption(results.plan, table))}}}",
            FITTED,
            rf"\begin{{tabular}}{{ll{'r' * len(names)}}}",
            r"\toprule",
            _tex_line(["Method", "Family", *map(metric_title, names)]),
            r"\midrule",
            _tex_line(["Chance", "", *_chance(table, names)]),
        ]
        family, remarks = "", footnotes(table)
        for row in table.rows:
            if row.family != family:
                lines.append(r"\midrule")
                family = row.family
            marks = [r"\circ"] if is_at_chance(row, results.plan) else []
            marks += [str(remarks[remark]) for remark in row.remarks]
            label = tex(row.label) + _tex_mark(marks)
            if not row.cells:
                reason = rf"\multicolumn{{{len(names)}}}{_TEXT}{{\raggedright {tex(row.status)}}}"
                lines.append(rf"{label} & {tex(row.family)} & {reason} \\")
                continue
            cells = [_tex_cell(table, row, name) for name in names]
            lines.append(" & ".join([label, tex(row.family), *cells]) + r" \\")
        notes = [
            tex(line).replace(NOT_ABOVE, _tex_mark([r"\circ"]))
            for line in legend(results.plan, table)
        ]
        notes += [f"{_tex_mark([str(n)])} {tex(text)}" for text, n in remarks.items()]
        lines += [r"\bottomrule", r"\end{tabular}}"]
        lines += [r"\par\smallskip\footnotesize " + " ".join(notes), r"\end{table}", ""]
        parts.append("\n".join(lines))
    return "\n".join(parts)


def _tex_mark(marks: Sequence[str]) -> str:
    return f"$^{{{','.join(marks)}}}$" if marks else ""


def tex(text: str) -> str:
    """`text` in one paragraph, with everything that LaTeX would interpret escaped, and marks that
    turn the direction of text left out. Scripts other than Latin need lualatex or xelatex."""
    return " ".join(text.split()).translate(_LATEX)


CSV_COLUMNS = (
    "suite", "task", "protocol", "part", "method", "family", "metric", "mean", "low", "high", "n",
    "chance", "p_above_chance_holm", "seeds", "run_ids", "fit_seconds",
    "seconds_per_1000_users", "tokens_per_1000_users", "peak_memory_mb", "device", "status",
    "remarks",
)  # fmt: skip


def leaderboard_csv(results: Results) -> str:
    """One line a row and metric; a row without results has one line with its status."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(CSV_COLUMNS)
    for table in results.tables:
        for row in table.rows:
            writer.writerows(_csv_lines(results.plan, table, row))
    return out.getvalue()


def _csv_lines(plan: Plan, table: Table, row: Row) -> Iterable[Sequence[object]]:
    head = [plan.suite, table.task, table.protocol, table.part, row.label, row.family]
    tail = [row.status, " | ".join(row.remarks)]
    if not row.cells:
        yield [*head, *[""] * (len(CSV_COLUMNS) - len(head) - len(tail)), *tail]
    for name in columns(plan, table):
        if (cell := row.cells.get(name)) is None:
            continue
        yield [
            *head, name, repr(cell.mean), _repr(cell.low), _repr(cell.high), cell.n,
            _repr(table.chance.get(name)), _repr(cell.p), " ".join(map(str, row.seeds)),
            " ".join(row.run_ids), _repr(row.cost.get("fit_seconds")),
            _repr(per_thousand(row, "seconds")), _repr(per_thousand(row, "tokens")),
            _repr(row.cost.get("peak_memory_mb")), row.device, *tail,
        ]  # fmt: skip


def _repr(value: float | None) -> str:
    return "" if value is None else repr(value)


def _chance(table: Table, names: Sequence[str]) -> list[str]:
    return [number(table.chance[name]) if name in table.chance else "" for name in names]


def _bold(table: Table, row: Row, name: str) -> str:
    cell = row.cells.get(name)
    if cell is None:
        return ""
    text = shown(cell)
    return f"**{text}**" if name in table.chance and cell.mean == best(table, name) else text


def _tex_cell(table: Table, row: Row, name: str) -> str:
    cell = row.cells.get(name)
    if cell is None:
        return ""
    text = shown(cell)
    return (
        rf"\textbf{{{text}}}" if name in table.chance and cell.mean == best(table, name) else text
    )


def _tex_line(cells: Sequence[str]) -> str:
    return " & ".join(map(tex, cells)) + r" \\"


def markdown_text(text: str) -> str:
    """A text that cannot break out of a Markdown table cell."""
    for character in "\\|*_`<>[]":
        text = text.replace(character, f"\\{character}")
    return " ".join(text.split())
