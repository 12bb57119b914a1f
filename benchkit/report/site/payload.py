"""The data of the page: an index, and a block for each table, its comparisons, and each row.

Blocks are separate JSON texts, so that the page parses only what it draws.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from benchkit.evaluation.lookup import protocol_by_name
from benchkit.report.core.cell import Cell
from benchkit.report.core.labels import (
    best_mean,
    caveat_numbers,
    format_cell,
    format_rate,
    is_at_chance,
    metric_columns,
    metric_title,
    primary_metric,
    short_protocol_title,
    table_caption,
    table_legend,
)
from benchkit.report.core.method_runs import MethodRuns, collect_method_runs
from benchkit.report.core.results import ResultRow, ResultTable, SuiteTables
from benchkit.report.incremental.memo import store_memo
from benchkit.report.leaderboard import costs
from benchkit.report.paper import published_values
from benchkit.report.paper.published_values import PublishedValue
from benchkit.report.ranking.table_ranks import SuiteRanks
from benchkit.report.site import cards, rank_column, row_details
from benchkit.report.site.example_cases import CaseInputLookup, look_up_once
from benchkit.report.site.table_pairs import build_pairs
from benchkit.runs.records import PlanRecord
from benchkit.runs.store import Store

DEFAULT_METRIC_COUNT = 8  # metrics shown before the reader chooses

RunsByRow = Mapping[tuple[str, str], MethodRuns]
Blocks = dict[str, Any]


def build_payload(
    results: SuiteTables,
    store: Store,
    figures: Sequence[PublishedValue],
    questions: CaseInputLookup | None,
) -> Blocks:
    """Return everything that the page shows, as JSON values by block name."""
    plan = results.plan
    method_runs = collect_method_runs(store, plan, results.tables)
    listed = [row for table in results.tables if not table.subgroup for row in table.rows]
    # The row with results, if a method has one, or else a row with the reason.
    rows = {(row.task, row.label): row for row in sorted(listed, key=lambda row: bool(row.cells))}
    labels = [label for label in plan.labels if any(label == name for _, name in rows)]
    ranks, memo = SuiteRanks(store, results), store_memo(store)
    blocks: Blocks = {"index": _index(results, rows, method_runs, labels)}
    for place, table in enumerate(results.tables):
        block = _table(plan, table, method_runs, figures)
        rank_column.add_ranks(block, plan, ranks.of_table(table))
        blocks[f"table-{place}"] = block
        if not table.subgroup:
            blocks[f"pairs-{place}"] = build_pairs(plan, table, method_runs, memo)
    questions = questions and look_up_once(questions)
    blocks["mean-ranks"] = rank_column.mean_ranks(ranks)
    for task in plan.tasks:
        chosen = row_details.example_case_ids(method_runs, task, memo)
        for place, label in enumerate(labels):
            if (row := rows.get((task, label))) is None:
                continue
            source = method_runs.get((task, label))
            inputs = row_details.example_inputs(source, task, chosen, questions) if source else {}
            panel = row_details.build_row_panel(row, source, chosen, inputs, memo)
            panel["published"] = _published(figures, row)
            blocks[f"row-{plan.tasks.index(task)}-{place}"] = panel
    return blocks


def _index(
    results: SuiteTables,
    rows: Mapping[tuple[str, str], ResultRow],
    method_runs: RunsByRow,
    labels: Sequence[str],
) -> dict[str, Any]:
    plan = results.plan
    protocols = dict.fromkeys(table.protocol for table in results.tables)
    methods = []
    for label in labels:
        method_rows = [(task, row) for (task, name), row in rows.items() if name == label]
        source = next((s for task, _ in method_rows if (s := method_runs.get((task, label)))), None)
        family = method_rows[0][1].family
        identity = source.manifests[0].identity if source else None
        card = cards.card_summary(cards.match_card(label, family, identity))
        methods.append({"label": label, "family": family, "card": card})
    return {
        "suite": plan.suite,
        "title": plan.title,
        "primary": plan.primary,
        "tasks": plan.tasks,
        "protocols": [{"name": p, "title": short_protocol_title(p)} for p in protocols],
        "methods": methods,
        "families": sorted({method["family"] for method in methods}),
        "first": DEFAULT_METRIC_COUNT,
        "tables": [
            {
                "task": t.task,
                "protocol": t.protocol,
                "part": t.subgroup,
                # The title of the page says the rest.
                "caption": table_caption(plan, t).removeprefix(f"{plan.title}: "),
            }
            for t in results.tables
        ],
    }


def _table(
    plan: PlanRecord, table: ResultTable, method_runs: RunsByRow, figures: Sequence[PublishedValue]
) -> dict[str, Any]:
    names = metric_columns(plan, table)
    ranks = {name: _first_two(table, name) for name in names if name in table.chance}
    numbers = caveat_numbers(table)
    rows = []
    for row in table.rows:
        line: dict[str, Any] = {"label": row.label, "family": row.family}
        if row.cells:
            line["cells"] = [_cell(row.cells.get(n), ranks.get(n, ())) for n in names]
        else:
            line["status"] = row.status
        source = method_runs.get((row.task, row.label))
        if source and row.cells and not table.subgroup:
            line["costs"] = costs.row_costs(row)
        if not table.subgroup and is_at_chance(row, plan):
            line["at_chance"] = True
        if row.caveats:
            line["notes"] = [numbers[remark] for remark in row.caveats]
        if protocol_by_name(table.protocol).ranks_candidates and not table.subgroup and row.cells:
            published = published_values.match_published(figures, row.task, row.label)
            line["published"] = {
                n: [f.display for f in published[n]] for n in names if n in published
            }
        rows.append({k: v for k, v in line.items() if v not in (None, {})})
    return {
        "columns": [
            {
                "name": n,
                "title": metric_title(n, plan),
                "axis": _axis(table, n),
                "ranked": n in ranks,
            }
            for n in names
        ],
        "costs": [
            {"name": name, "title": title}
            for name, title in costs.COST_TITLES.items()
            if any(name in row.get("costs", {}) for row in rows)
        ],
        "chance": [
            [format_rate(table.chance[n]), round(table.chance[n], 6)] if n in table.chance else None
            for n in names
        ],
        "primary": primary_metric(plan, names),
        "legend": _legend(plan, table),
        "footnotes": list(numbers),
        "rows": rows,
    }


def _cell(cell: Cell | None, first_two: Sequence[float]) -> list[Any] | None:
    """Return [text, mean, low, high, place]; place is 1 for the best, 2 for the second, else 0."""
    if cell is None or not math.isfinite(cell.mean):
        return None
    low, high = (None if v is None else round(v, 4) for v in (cell.low, cell.high))
    place = first_two.index(cell.mean) + 1 if cell.mean in first_two else 0
    return [_typeset(format_cell(cell)), round(cell.mean, 6), low, high, place]


def _typeset(text: str) -> str:
    """Return '−.007' for '-0.007', as the page prints differences."""
    return text.replace("-0.000", ".000").replace("-0.", "−.").replace("-", "−")


def _first_two(table: ResultTable, metric: str) -> tuple[float, ...]:
    """Return the best mean and, if only one row has it, the second best."""
    means = [row.cells[metric].mean for row in table.rows if metric in row.cells]
    if means.count(best_mean(table, metric) or 0.0) > 1:
        return (max(means),)
    return tuple(sorted(set(means), reverse=True)[:2])


def _axis(table: ResultTable, metric: str) -> list[float] | None:
    """Return the range of a column's bars, with 0 and chance for rates; None without intervals."""
    cells = [row.cells[metric] for row in table.rows if metric in row.cells]
    ends = [v for c in cells if c.low is not None for v in (c.low, c.high) if v is not None]
    if not any(c.low is not None and c.low != c.high for c in cells):
        return None
    ends += [cell.mean for cell in cells]
    if metric in table.chance:
        ends += [0.0, table.chance[metric]]
    return [round(min(ends), 4), round(max(ends), 4)]


def _legend(plan: PlanRecord, table: ResultTable) -> list[str]:
    lines = table_legend(plan, table)
    if not table.chance:
        return lines
    return [
        "Bold: best of the column; underlined: second. Bars show the mean and its interval on an"
        " axis that all rows of the column share; the dashed line is chance.",
        *lines,
    ]


def _published(figures: Sequence[PublishedValue], row: ResultRow) -> list[list[str]]:
    by_metric = published_values.match_published(figures, row.task, row.label)
    return [[metric_title(name), *f.display] for name, listed in by_metric.items() for f in listed]
