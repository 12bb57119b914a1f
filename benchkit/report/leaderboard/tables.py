"""Tables as text: Markdown, LaTeX and CSV. Same store, same bytes."""

import csv
import io
from collections.abc import Iterable, Sequence

from benchkit.report.core.labels import (
    CHANCE_MARK,
    best_mean,
    caveat_numbers,
    format_cell,
    format_fit_seconds,
    format_rate,
    is_at_chance,
    metric_columns,
    metric_title,
    superscript,
    table_caption,
    table_legend,
)
from benchkit.report.core.results import ResultRow, Results, ResultTable
from benchkit.report.leaderboard.costs import per_thousand_users
from benchkit.runs.records import PlanRecord

_LATEX = str.maketrans(
    {"&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
     "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "\\": r"\textbackslash{}",
     "<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}",
     # After the end of a line they would be read as an option of it.
     "[": "{[}", "]": "{]}", "*": "{*}",
     **dict.fromkeys("\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069", "")}
)  # fmt: skip

LATEX_PACKAGES = "% needs \\usepackage{booktabs,graphicx}"
# Opens a box that is scaled down to the line where it is wider.
LATEX_FITTED_BOX = r"\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%"

_TEXT = r"{p{.5\linewidth}}"  # a long reason must not make the table wide, and so all of it small


def leaderboard_markdown(results: Results) -> str:
    """All tables, each with its caption and legend."""
    parts = []
    for table in results.tables:
        names = metric_columns(results.plan, table)
        head = ["Method", "Family", *map(metric_title, names), "Fit (s)"]
        lines = [head, ["---", "---", *("--:" for _ in range(len(names) + 1))]]
        lines.append(["*Chance*", "", *_chance(table, names), ""])
        caveats = caveat_numbers(table)
        for row in table.rows:
            mark = CHANCE_MARK if is_at_chance(row, results.plan) else ""
            mark += superscript(caveats[remark] for remark in row.caveats)
            label, family = escape_markdown(row.label) + mark, escape_markdown(row.family)
            if not row.cells:
                lines.append([label, family, escape_markdown(row.status), *[""] * len(names)])
                continue
            cells = [_bold(table, row, name) for name in names]
            lines.append([label, family, *cells, format_fit_seconds(row)])
        body = "\n".join(f"| {' | '.join(line)} |" for line in lines)
        notes = [f"{superscript([n])} {escape_markdown(text)}" for text, n in caveats.items()]
        legend_text = "  \n".join(
            [*map(escape_markdown, table_legend(results.plan, table)), *notes]
        )
        parts.append(
            f"**{escape_markdown(table_caption(results.plan, table))}**\n\n{body}\n\n{legend_text}\n"
        )
    return "\n".join(parts)


def leaderboard_latex(results: Results) -> str:
    """All tables in booktabs style; needs \\usepackage{booktabs,graphicx}."""
    parts = [LATEX_PACKAGES]
    for table in results.tables:
        names = metric_columns(results.plan, table)
        lines = [
            r"\begin{table}[t]",
            r"\centering",
            rf"\caption{{{escape_latex(table_caption(results.plan, table))}}}",
            LATEX_FITTED_BOX,
            rf"\begin{{tabular}}{{ll{'r' * len(names)}}}",
            r"\toprule",
            _tex_line(["Method", "Family", *map(metric_title, names)]),
            r"\midrule",
            _tex_line(["Chance", "", *_chance(table, names)]),
        ]
        family, caveats = "", caveat_numbers(table)
        for row in table.rows:
            if row.family != family:
                lines.append(r"\midrule")
                family = row.family
            marks = [r"\circ"] if is_at_chance(row, results.plan) else []
            marks += [str(caveats[remark]) for remark in row.caveats]
            label = escape_latex(row.label) + _tex_mark(marks)
            if not row.cells:
                reason = rf"\multicolumn{{{len(names)}}}{_TEXT}{{\raggedright {escape_latex(row.status)}}}"
                lines.append(rf"{label} & {escape_latex(row.family)} & {reason} \\")
                continue
            cells = [_tex_cell(table, row, name) for name in names]
            lines.append(" & ".join([label, escape_latex(row.family), *cells]) + r" \\")
        notes = [
            escape_latex(line).replace(CHANCE_MARK, _tex_mark([r"\circ"]))
            for line in table_legend(results.plan, table)
        ]
        notes += [f"{_tex_mark([str(n)])} {escape_latex(text)}" for text, n in caveats.items()]
        lines += [r"\bottomrule", r"\end{tabular}}"]
        lines += [r"\par\smallskip\footnotesize " + " ".join(notes), r"\end{table}", ""]
        parts.append("\n".join(lines))
    return "\n".join(parts)


def _tex_mark(marks: Sequence[str]) -> str:
    return f"$^{{{','.join(marks)}}}$" if marks else ""


def escape_latex(text: str) -> str:
    """`text` in one paragraph, with everything that LaTeX would interpret escaped, and marks that
    turn the direction of text left out. Scripts other than Latin need lualatex or xelatex."""
    return " ".join(text.split()).translate(_LATEX)


LEADERBOARD_CSV_COLUMNS = (
    "suite", "task", "protocol", "part", "method", "family", "metric", "mean", "low", "high", "n",
    "chance", "p_above_chance_holm", "seeds", "run_ids", "fit_seconds",
    "seconds_per_1000_users", "tokens_per_1000_users", "peak_memory_mb", "device", "status",
    "remarks",
)  # fmt: skip


def leaderboard_csv(results: Results) -> str:
    """One line a row and metric; a row without results has one line with its status."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(LEADERBOARD_CSV_COLUMNS)
    for table in results.tables:
        for row in table.rows:
            writer.writerows(_csv_lines(results.plan, table, row))
    return out.getvalue()


def _csv_lines(plan: PlanRecord, table: ResultTable, row: ResultRow) -> Iterable[Sequence[object]]:
    head = [plan.suite, table.task, table.protocol, table.subgroup, row.label, row.family]
    tail = [row.status, " | ".join(row.caveats)]
    if not row.cells:
        yield [*head, *[""] * (len(LEADERBOARD_CSV_COLUMNS) - len(head) - len(tail)), *tail]
    for name in metric_columns(plan, table):
        if (cell := row.cells.get(name)) is None:
            continue
        yield [
            *head, name, repr(cell.mean), _repr(cell.low), _repr(cell.high), cell.n,
            _repr(table.chance.get(name)), _repr(cell.p), " ".join(map(str, row.seeds)),
            " ".join(row.run_ids), _repr(row.cost.get("fit_seconds")),
            _repr(per_thousand_users(row, "seconds")), _repr(per_thousand_users(row, "tokens")),
            _repr(row.cost.get("peak_memory_mb")), row.device, *tail,
        ]  # fmt: skip


def _repr(value: float | None) -> str:
    return "" if value is None else repr(value)


def _chance(table: ResultTable, names: Sequence[str]) -> list[str]:
    return [format_rate(table.chance[name]) if name in table.chance else "" for name in names]


def _bold(table: ResultTable, row: ResultRow, name: str) -> str:
    cell = row.cells.get(name)
    if cell is None:
        return ""
    text = format_cell(cell)
    return f"**{text}**" if name in table.chance and cell.mean == best_mean(table, name) else text


def _tex_cell(table: ResultTable, row: ResultRow, name: str) -> str:
    cell = row.cells.get(name)
    if cell is None:
        return ""
    text = format_cell(cell)
    return (
        rf"\textbf{{{text}}}"
        if name in table.chance and cell.mean == best_mean(table, name)
        else text
    )


def _tex_line(cells: Sequence[str]) -> str:
    return " & ".join(map(escape_latex, cells)) + r" \\"


def escape_markdown(text: str) -> str:
    """A text that cannot break out of a Markdown table cell."""
    for character in "\\|*_`<>[]":
        text = text.replace(character, f"\\{character}")
    return " ".join(text.split())
