"""The data of the page: an index, and one block a table, a comparison and a row.

Blocks are JSON texts of their own, because the page parses only what it draws.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from benchkit.records import PER_TOKEN, Plan
from benchkit.report import costs, published
from benchkit.report.model import Cell, Results, Row, Table
from benchkit.report.published import Figure
from benchkit.report.site import cards, details, pairs
from benchkit.report.site.cases import Questions
from benchkit.report.site.details import Source
from benchkit.report.wording import (
    best,
    caption,
    columns,
    footnotes,
    is_at_chance,
    legend,
    metric_title,
    number,
    primary,
    shown,
)
from benchkit.store import Store

_PROTOCOLS = {
    "scored": "Scored",
    PER_TOKEN: "Scored per token",
    "sampled": "Sampled",
    "full": "Whole catalogue",
}
FIRST = 8  # metrics that are shown before the reader chooses

Found = Mapping[tuple[str, str], Source]
Blocks = dict[str, Any]


def build(
    results: Results, store: Store, figures: Sequence[Figure], questions: Questions | None
) -> Blocks:
    """Everything that the page shows, as block name -> JSON value. Same store, same values."""
    plan = results.plan
    found = details.sources(store, plan, results.tables)
    listed = [row for table in results.tables if not table.part for row in table.rows]
    # The row with results, where a method has any, and else the one with the reason.
    rows = {(row.task, row.label): row for row in sorted(listed, key=lambda row: bool(row.cells))}
    labels = [label for label in plan.labels if any(label == name for _, name in rows)]
    blocks: Blocks = {"index": _index(results, rows, found, labels)}
    for place, table in enumerate(results.tables):
        blocks[f"table-{place}"] = _table(plan, table, found, figures)
        if not table.part:
            blocks[f"pairs-{place}"] = _pairs(plan, table, found)
    for task in plan.tasks:
        chosen = details.chosen_cases(found, task)
        for place, label in enumerate(labels):
            if (row := rows.get((task, label))) is None:
                continue
            source = found.get((task, label))
            asked = details.asked(source, task, chosen, questions) if source else {}
            panel = details.detail(row, source, chosen, asked)
            panel["published"] = _published(figures, row)
            blocks[f"row-{plan.tasks.index(task)}-{place}"] = panel
    return blocks


def _index(
    results: Results,
    rows: Mapping[tuple[str, str], Row],
    found: Found,
    labels: Sequence[str],
) -> dict[str, Any]:
    plan = results.plan
    protocols = dict.fromkeys(table.protocol for table in results.tables)
    methods = []
    for label in labels:
        own = [(task, row) for (task, name), row in rows.items() if name == label]
        source = next((s for task, _ in own if (s := found.get((task, label)))), None)
        family = own[0][1].family
        identity = source.manifests[0].identity if source else None
        card = cards.shown(cards.card_of(label, family, identity))
        methods.append({"label": label, "family": family, "card": card})
    return {
        "suite": plan.suite,
        "title": plan.title,
        "primary": plan.primary,
        "tasks": plan.tasks,
        "protocols": [{"name": p, "title": _PROTOCOLS.get(p, p)} for p in protocols],
        "methods": methods,
        "families": sorted({method["family"] for method in methods}),
        "first": FIRST,
        "tables": [
            {
                "task": t.task,
                "protocol": t.protocol,
                "part": t.part,
                # The title of the page says the rest.
                "caption": caption(plan, t).removeprefix(f"{plan.title}: "),
            }
            for t in results.tables
        ],
    }


def _table(plan: Plan, table: Table, found: Found, figures: Sequence[Figure]) -> dict[str, Any]:
    names = columns(plan, table)
    ranks = {name: _first_two(table, name) for name in names if name in table.chance}
    numbers = footnotes(table)
    rows = []
    for row in table.rows:
        line: dict[str, Any] = {"label": row.label, "family": row.family}
        if row.cells:
            line["cells"] = [_cell(row.cells.get(n), ranks.get(n, ())) for n in names]
        else:
            line["status"] = row.status
        source = found.get((row.task, row.label))
        if source and row.cells and not table.part:
            line["costs"] = costs.of_row(row)
        if not table.part and is_at_chance(row, plan):
            line["at_chance"] = True
        if row.remarks:
            line["notes"] = [numbers[remark] for remark in row.remarks]
        if table.protocol != "full" and not table.part and row.cells:
            own = published.beside(figures, row.task, row.label)
            line["published"] = {n: [f.shown for f in own[n]] for n in names if n in own}
        rows.append({k: v for k, v in line.items() if v not in (None, {})})
    return {
        "columns": [
            {"name": n, "title": metric_title(n), "axis": _axis(table, n), "ranked": n in ranks}
            for n in names
        ],
        "costs": [
            {"name": name, "title": title}
            for name, title in costs.TITLES.items()
            if any(name in row.get("costs", {}) for row in rows)
        ],
        "chance": [
            [number(table.chance[n]), round(table.chance[n], 6)] if n in table.chance else None
            for n in names
        ],
        "primary": primary(plan, names),
        "legend": _legend(plan, table),
        "footnotes": list(numbers),
        "rows": rows,
    }


def _cell(cell: Cell | None, first_two: Sequence[float]) -> list[Any] | None:
    """[text, mean, low, high, place]; place is 1 for the best, 2 for the second, else 0."""
    if cell is None or not math.isfinite(cell.mean):
        return None
    low, high = (None if v is None else round(v, 4) for v in (cell.low, cell.high))
    place = first_two.index(cell.mean) + 1 if cell.mean in first_two else 0
    return [_typeset(shown(cell)), round(cell.mean, 6), low, high, place]


def _typeset(text: str) -> str:
    """'-0.007' -> '−.007', as the page prints differences."""
    return text.replace("-0.000", ".000").replace("-0.", "−.").replace("-", "−")


def _first_two(table: Table, metric: str) -> tuple[float, ...]:
    """The best mean and, if only one row has it, the second."""
    means = [row.cells[metric].mean for row in table.rows if metric in row.cells]
    if means.count(best(table, metric) or 0.0) > 1:
        return (max(means),)
    return tuple(sorted(set(means), reverse=True)[:2])


def _axis(table: Table, metric: str) -> list[float] | None:
    """The range that all bars of a column share: with 0 and chance for rates, None without
    intervals."""
    cells = [row.cells[metric] for row in table.rows if metric in row.cells]
    ends = [v for c in cells if c.low is not None for v in (c.low, c.high) if v is not None]
    if not any(c.low is not None and c.low != c.high for c in cells):
        return None
    ends += [cell.mean for cell in cells]
    if metric in table.chance:
        ends += [0.0, table.chance[metric]]
    return [round(min(ends), 4), round(max(ends), 4)]


def _legend(plan: Plan, table: Table) -> list[str]:
    lines = legend(plan, table)
    if not table.chance:
        return lines
    return [
        "Bold: the best of a column; underlined: the second. Bars show the mean and its interval"
        " on an axis that all rows of the column share; the dashed line is chance.",
        *lines,
    ]


def _pairs(plan: Plan, table: Table, found: Found) -> dict[str, Any]:
    ranked = [name for name in columns(plan, table) if name in table.chance]
    count = sum(bool(row.cells) for row in table.rows)
    chosen = pairs.affordable(ranked, primary(plan, ranked), count)
    values = [
        pairs.values([run.metrics() for run in source.runs], table.protocol, chosen)
        if row.cells and (source := found.get((row.task, row.label)))
        else None
        for row in table.rows
    ]
    return {"all": chosen == ranked, "metrics": pairs.compared(chosen, values)}


def _published(figures: Sequence[Figure], row: Row) -> list[list[str]]:
    own = published.beside(figures, row.task, row.label)
    return [[metric_title(name), *f.shown] for name, listed in own.items() for f in listed]
