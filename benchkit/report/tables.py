"""Tables as text: Markdown, LaTeX and CSV. Same store, same bytes."""

import csv
import io
from collections.abc import Iterable, Sequence

from benchkit.records import Plan
from benchkit.report.model import Cell, Results, Row, Table

NOT_ABOVE = "°"
_PROTOCOLS = {
    "scored": "frozen candidates, scored",
    "full": "whole catalogue, scored",
}
_LATEX = str.maketrans(
    {"&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
     "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "\\": r"\textbackslash{}",
     "<": r"\textless{}", ">": r"\textgreater{}"}
)  # fmt: skip


def metric_title(name: str) -> str:
    """'ndcg@5' -> 'NDCG@5'."""
    return name.upper()


def caption(plan: Plan, table: Table) -> str:
    """What a table shows, in a line."""
    n = next((c.n for row in table.rows for c in row.cells.values()), 0)
    users = f", {n:,} users" if n else ""
    protocol = _PROTOCOLS.get(table.protocol, table.protocol)
    part = f", {table.part}" if table.part else ""
    return f"{plan.title}: {table.task} ({protocol}{part}{users})"


def legend(plan: Plan, table: Table) -> list[str]:
    """What the marks of a table mean, and its notes."""
    if not table.chance:
        return [*table.notes]
    marks = [
        f"{NOT_ABOVE} not significantly above chance in {metric_title(primary(plan, table.chance))}"
        " (one-sided, Holm over the rows, 5 %)."
    ]
    if any(name.startswith("serendipity") for name in plan.metrics):
        marks.append(
            "SERENDIPITY@k: |R & T - P| / |R|, P the"
            f" {plan.popular_share:.0%} of the items with the most training interactions."
        )
    return [
        "95 % bootstrap intervals over users. Ties count by their expectation over all orders.",
        *([] if table.part else marks),
        *table.notes,
    ]


def best(table: Table, metric: str) -> float | None:
    """The largest mean of a column."""
    return max((row.cells[metric].mean for row in table.rows if metric in row.cells), default=None)


def is_at_chance(row: Row, plan: Plan) -> bool:
    """Whether a row carries the mark."""
    cell = row.cells.get(primary(plan, row.cells))
    return cell is not None and cell.above_chance is False


def primary(plan: Plan, names: Iterable[str]) -> str:
    """The metric that decides the mark: the plan's, or the first where a task has others."""
    present = list(names)
    return plan.primary if plan.primary in present else next(iter(present), plan.primary)


def shown(cell: Cell) -> str:
    """'.612 [.590, .634]', or '.998' where there is no interval to show."""
    if cell.low is None or cell.high is None or cell.low == cell.high:
        return number(cell.mean)
    return f"{number(cell.mean)} [{number(cell.low)}, {number(cell.high)}]"


def number(value: float) -> str:
    """Three digits without the leading zero, as papers print rates."""
    text = f"{value:.3f}"
    return text[1:] if text.startswith("0.") else text


def seconds(row: Row) -> str:
    """Training time of a row."""
    return f"{row.cost['fit_seconds']:.1f}" if "fit_seconds" in row.cost else ""


def columns(plan: Plan, table: Table) -> list[str]:
    """The metrics that at least one row has, in the order of the suite, coverage and valid last."""
    extra = dict.fromkeys(name for row in table.rows for name in row.cells)
    first = [name for name in plan.metrics if name in extra or not extra]
    return [*first, *(name for name in extra if name not in plan.metrics)]


def markdown(results: Results) -> str:
    """All tables, each with its caption and legend."""
    parts = []
    for table in results.tables:
        names = columns(results.plan, table)
        head = ["Method", "Family", *map(metric_title, names), "Fit (s)"]
        lines = [head, ["---", "---", *("--:" for _ in range(len(names) + 1))]]
        lines.append(["*Chance*", "", *_chance(table, names), ""])
        for row in table.rows:
            label = _markdown_text(row.label) + (
                NOT_ABOVE if is_at_chance(row, results.plan) else ""
            )
            if not row.cells:
                lines.append([label, row.family, _markdown_text(row.status), *[""] * len(names)])
                continue
            cells = [_bold(table, row, name) for name in names]
            lines.append([label, row.family, *cells, seconds(row)])
        body = "\n".join(f"| {' | '.join(line)} |" for line in lines)
        legend_text = "  \n".join(legend(results.plan, table))
        parts.append(
            f"**{_markdown_text(caption(results.plan, table))}**\n\n{body}\n\n{legend_text}\n"
        )
    return "\n".join(parts)


def latex(results: Results) -> str:
    """All tables in booktabs style; needs \\usepackage{booktabs}."""
    parts = []
    for table in results.tables:
        names = columns(results.plan, table)
        lines = [
            r"\begin{table}[t]",
            r"\centering",
            rf"\caption{{{tex(caption(results.plan, table))}}}",
            rf"\begin{{tabular}}{{ll{'r' * len(names)}}}",
            r"\toprule",
            _tex_line(["Method", "Family", *map(metric_title, names)]),
            r"\midrule",
            _tex_line(["Chance", "", *_chance(table, names)]),
        ]
        family = ""
        for row in table.rows:
            if row.family != family:
                lines.append(r"\midrule")
                family = row.family
            mark = r"$^\circ$" if is_at_chance(row, results.plan) else ""
            label = tex(row.label) + mark
            if not row.cells:
                reason = rf"\multicolumn{{{len(names)}}}{{l}}{{{tex(row.status)}}}"
                lines.append(rf"{label} & {tex(row.family)} & {reason} \\")
                continue
            cells = [_tex_cell(table, row, name) for name in names]
            lines.append(" & ".join([label, tex(row.family), *cells]) + r" \\")
        notes = [tex(line).replace(NOT_ABOVE, r"$^\circ$") for line in legend(results.plan, table)]
        lines += [r"\bottomrule", r"\end{tabular}"]
        lines += [r"\par\smallskip\footnotesize " + " ".join(notes), r"\end{table}", ""]
        parts.append("\n".join(lines))
    return "\n".join(parts)


def tex(text: str) -> str:
    """`text` with everything that LaTeX would interpret escaped."""
    return text.translate(_LATEX)


CSV_COLUMNS = (
    "suite", "task", "protocol", "part", "method", "family", "metric", "mean", "low", "high", "n",
    "chance", "p_above_chance_holm", "seeds", "run_ids", "fit_seconds", "status",
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
    if not row.cells:
        yield [*head, *[""] * (len(CSV_COLUMNS) - len(head) - 1), row.status]
    for name in columns(plan, table):
        if (cell := row.cells.get(name)) is None:
            continue
        yield [
            *head, name, repr(cell.mean), _repr(cell.low), _repr(cell.high), cell.n,
            _repr(table.chance.get(name)), _repr(cell.p), " ".join(map(str, row.seeds)),
            " ".join(row.run_ids), _repr(row.cost.get("fit_seconds")), row.status,
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


def _markdown_text(text: str) -> str:
    """A text that cannot break out of a Markdown table cell."""
    for character in "\\|*_`<>[]":
        text = text.replace(character, f"\\{character}")
    return " ".join(text.split())
