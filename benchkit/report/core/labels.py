"""Words and figures of all tables, whatever prints them: titles, legends, marks, formats."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence

from benchkit.count_text import count_text
from benchkit.evaluation.lookup import (
    IMPORTABLE_PROTOCOLS,
    metric_by_name,
    protocol_by_name,
    table_by_name,
)
from benchkit.report.core.cell import Cell
from benchkit.report.core.results import ResultRow, ResultTable
from benchkit.runs.records import PlanRecord
from benchkit.stats.crossed_effects import MIN_SEEDS

_INAPPLICABLE = "not applicable: "  # how plans begin the reason
_STATUS_WIDTH = 60  # characters of a reason that fit into a row
CHANCE_MARK = "°"
SIGNIFICANCE_MARK = "†"
SAMPLED = next(protocol.name for protocol in IMPORTABLE_PROTOCOLS if protocol.uses_decoding)
SAMPLED_MARK = "‡"
MIXED = "mixed"
"""What tables are called that have sampled figures beside scored ones (`mixed_protocols`)."""
SEVERAL_CASES = (
    "Users have several cases: means are over cases; intervals and tests are over users, whose"
    " cases are resampled together (against chance they count as one draw)."
)
NO_LIMITS_NOTE = (
    "[unknown]: with fewer than six users the test of p rejects no mean, so that no interval has"
    " limits."
)
_FAILURES = ("truncated", "refused")  # columns that are shown where there was any


def metric_title(name: str, plan: PlanRecord | None = None) -> str:
    """Return the head of a metric's column.

    Args:
        name: Its name in records.
        plan: Says it for metrics that benchkit does not ship.

    >>> metric_title("ndcg@5")
    'NDCG@5'
    """
    if plan and name in plan.titles:
        return plan.titles[name]
    metric = metric_by_name(name)
    return metric.title if metric else name.upper()


def table_caption(plan: PlanRecord, table: ResultTable) -> str:
    """Return what a table shows, in a line."""
    cell = next((c for row in table.rows for c in row.cells.values()), None)
    users = f", {count_title(cell.users, cell.n)}" if cell and cell.n else ""
    protocol = protocol_title(table.protocol, plan)
    if table.decoding and table.protocol != MIXED:
        protocol = f"{table.protocol}: {decoding_title(table.decoding)}"
    subgroup = f", {table.subgroup}" if table.subgroup else ""
    return f"{plan.title}: {table.task} ({protocol}{subgroup}{users})"


def count_title(users: int, cases: int) -> str:
    """Return whose answers figures are of, and how many cases where users have several.

    >>> count_title(8, 24), count_title(1000, 1000)
    ('8 users with 24 cases', '1,000 users')
    """
    return count_text(users, "user") + (f" with {cases:,} cases" if cases != users else "")


def has_several_cases(rows: Iterable[ResultRow]) -> bool:
    """Return whether some user has several cases."""
    return any(cell.users < cell.n for row in rows for cell in row.cells.values())


def protocol_title(protocol: str, plan: PlanRecord | None = None) -> str:
    """Return what is ranked and how, or the protocol's name where it has no title."""
    if plan and protocol in plan.titles:
        return plan.titles[protocol]
    if protocol == MIXED:
        return "frozen candidates, sampled or scored"
    return table_by_name(protocol).caption


def short_protocol_title(protocol: str) -> str:
    """Return a title for where there is little room, e.g. 'Whole catalogue' for 'full'."""
    return table_by_name(protocol).short_title


def history_bucket_title(low: int, high: int | None) -> str:
    """Return a title such as 'history of 3 to 7'."""
    return f"history of {low}" + (" or more" if high is None else f" to {high}")


def decoding_title(decoding: Mapping[str, float]) -> str:
    """Return how answers were drawn, such as '5 answers at temperature 0.7'."""
    n, top_p = decoding["n"], decoding["top_p"]
    top_k = decoding.get("top_k", 0)
    parts = [
        f"{count_text(int(n), 'answer')} at temperature {decoding['temperature']:g}",
        *([f"top-p {top_p:g}"] if top_p < 1 else []),
        *([f"top-k {top_k:g}"] if top_k else []),
        *(["constrained to the candidates"] if decoding["constrained"] else []),
    ]
    return ", ".join(parts)


def row_marks(row: ResultRow, protocol: str, plan: PlanRecord) -> tuple[str, ...]:
    """Return the marks behind a row's label in a table of `protocol`."""
    sampled = protocol == MIXED and row.protocol == SAMPLED and bool(row.cells)
    return (CHANCE_MARK,) * is_at_chance(row, plan) + (SAMPLED_MARK,) * sampled


def table_legend(plan: PlanRecord, table: ResultTable) -> list[str]:
    """Explain the marks of a table, and add its notes; caveats of rows are numbered apart."""
    if not table.chance:
        return [*table.notes]
    same = " of the same protocol" if table.other_chance else ""
    marks = [
        f"{CHANCE_MARK} not significantly above chance in"
        f" {metric_title(primary_metric(plan, table.chance), plan)}"
        f" (one-sided, Holm over the rows{same}, 5 %)."
    ]
    metrics = filter(None, map(metric_by_name, plan.metrics))
    legends = dict.fromkeys(metric.legend for metric in metrics if metric.legend)
    marks += [text.format(popular_share=f"{plan.popular_share:.0%}") for text in legends]
    protocol = protocol_by_name(table.protocol)
    cut = protocol.truncated_legend
    return [
        f"95 % bootstrap intervals over users. {protocol.legend}",
        *([SEVERAL_CASES] if has_several_cases(table.rows) else []),
        *([cut] if "truncated" in metric_columns(plan, table) else []),
        *([] if table.subgroup else marks),
        *table.notes,
    ]


def caveat_numbers(table: ResultTable) -> dict[str, int]:
    """Return a number for each caveat of a table, in the order of the rows."""
    caveats = dict.fromkeys(caveat for row in table.rows for caveat in row.caveats)
    return {caveat: number for number, caveat in enumerate(caveats, start=1)}


def caveat_notes(rows: Iterable[tuple[str, Sequence[str]]]) -> list[str]:
    """Return a sentence for each caveat, with the labels of the rows that have it.

    >>> caveat_notes([("a", ["external"]), ("b", ["small", "external"]), ("a", ["external"])])
    ['a, b: external.', 'b: small.']
    """
    labels_of: dict[str, dict[str, None]] = {}
    for label, caveats in rows:
        for caveat in caveats:
            labels_of.setdefault(caveat, {})[label] = None
    return [f"{', '.join(labels)}: {caveat}." for caveat, labels in labels_of.items()]


def seed_notes(pairs: Sequence[tuple[int, int]]) -> list[str]:
    """Explain what p is over, for `pairs` of methods with so many seeds each."""
    fewer = [pair for pair in pairs if min(pair) < MIN_SEEDS]
    notes = []
    if len(fewer) < len(pairs):
        notes.append(
            "Between methods with 3 seeds and more, p is over users and seeds, as crossed random"
            " effects."
        )
    if any(max(pair) > 1 for pair in fewer):
        notes.append(
            "Where a method has fewer than 3 seeds, seeds are averaged case by case: p is over"
            " users alone, of these trainings, and says nothing of others."
        )
    elif fewer:
        notes.append("One seed: p is over users, of these trainings, and says nothing of others.")
    return notes


def best_mean(table: ResultTable, metric: str) -> float | None:
    """Return the largest mean of a column."""
    return max((row.cells[metric].mean for row in table.rows if metric in row.cells), default=None)


def is_at_chance(row: ResultRow, plan: PlanRecord) -> bool:
    """Return whether a row is marked as not significantly above chance."""
    cell = row.cells.get(primary_metric(plan, row.cells))
    return cell is not None and cell.above_chance is False


def primary_metric(plan: PlanRecord, names: Iterable[str]) -> str:
    """Return the metric that decides the mark: the plan's, or the first where a task has others."""
    present = list(names)
    return plan.primary if plan.primary in present else next(iter(present), plan.primary)


def format_rate(value: float) -> str:
    """Return three digits without the leading zero, as papers print rates.

    >>> format_rate(0.82), format_rate(-0.01), format_rate(1.0)
    ('.820', '-.010', '1.000')
    """
    text = f"{value:z.3f}"
    return text.replace("0.", ".", 1) if text.startswith(("0.", "-0.")) else text


def format_cell(cell: Cell, number: Callable[[float], str] = format_rate) -> str:
    """Return '.612 [.590, .634]', or '.998' where there is no interval to show."""
    return format_mean(cell.mean, cell.low, cell.high, number)


def format_mean(
    mean: float, low: float | None, high: float | None, number: Callable[[float], str] = format_rate
) -> str:
    """Return '.612 [.590, .634]', or '.998' where there is no interval to show.

    Args:
        mean: The value.
        low: Lower end of its interval; None or NaN where there is none, infinite where it is open.
        high: Upper end of its interval.
        number: How each of them is written; by default as a rate.
    """
    if low is None or high is None or math.isnan(low) or low == high:
        return number(mean)
    if math.isinf(low) and math.isinf(high):
        return f"{number(mean)} [unknown]"
    low_text, high_text = ("open" if math.isinf(end) else number(end) for end in (low, high))
    return f"{number(mean)} [{low_text}, {high_text}]"


def format_percentage(share: float, low: float = math.nan, high: float = math.nan) -> str:
    """Return a share in per cent, with its interval if there is one.

    >>> format_percentage(0.875, 0.8012, 0.92), format_percentage(0.5)
    ('87.5 % [80.1, 92.0]', '50.0 %')
    """
    text = f"{100 * share:.1f} %"
    return text if math.isnan(low) else f"{text} [{100 * low:.1f}, {100 * high:.1f}]"


def format_p_value(p: float) -> str:
    """Return three digits, four below .001, and '<.0001' for less; '-' for none.

    >>> format_p_value(0.0312), format_p_value(0.00042), format_p_value(2e-7)
    ('.031', '.0004', '< .0001')
    """
    if math.isnan(p):
        return "-"
    if p < 0.0001:
        return "< .0001"
    return f"{p:.4f}".removeprefix("0") if p < 0.001 else format_rate(p)


def format_fit_seconds(row: ResultRow) -> str:
    """Format the training time of a row."""
    return f"{row.cost['fit_seconds']:.1f}" if "fit_seconds" in row.cost else ""


def metric_columns(plan: PlanRecord, table: ResultTable) -> list[str]:
    """Return the metrics that a row has, in the order of the suite, then the other columns.

    Shares of cut-off and of refused answers are left out where there was none.
    """
    extra = dict.fromkeys(name for row in table.rows for name in row.cells)
    first = [name for name in plan.metrics if name in extra or not extra]
    others = [name for name in extra if name not in plan.metrics]
    return [*first, *(n for n in others if n not in _FAILURES or best_mean(table, n) != 0.0)]


def split_inapplicable(
    rows: Sequence[ResultRow],
) -> tuple[list[ResultRow], list[str]]:
    """Return the rows that a method can have, and a line for each reason that others cannot."""
    present = [row for row in rows if not row.status.startswith(_INAPPLICABLE)]
    labels_of: dict[str, list[str]] = {}
    for row in rows:
        if row.status.startswith(_INAPPLICABLE):
            labels_of.setdefault(row.status, []).append(row.label)
    lines = [f"{', '.join(labels)}: {status}." for status, labels in labels_of.items()]
    return present, lines


def split_status(status: str) -> tuple[str, str]:
    """Return what the cell of a row without figures says, and what `reason_notes` says of it.

    >>> split_status("interrupted")
    ('interrupted', '')
    >>> split_status("failed: no such model (hint: check the name)")
    ('failed: see below', 'failed: no such model (hint: check the name)')
    >>> split_status("damaged: run it again (metrics.parquet is missing)")[0]
    'damaged: run it again'
    """
    kind, _, reason = status.partition(": ")
    if kind == "damaged":
        return status.partition(" (")[0], status
    if kind != "failed" or ("(hint: " not in reason and len(status) <= _STATUS_WIDTH):
        return status, ""
    return f"{kind}: see below", status


def reason_notes(reasons: Iterable[tuple[str, str]]) -> list[str]:
    """Return a note below the table for each reason that rows have no figures.

    >>> reason_notes([("dpo", "failed: no memory"), ("pl", "failed: no memory")])
    ['dpo, pl failed: no memory']
    """
    labels_of: dict[str, list[str]] = {}
    for label, reason in reasons:
        if reason:
            labels_of.setdefault(reason, []).append(label)
    return [f"{', '.join(labels)} {reason}" for reason, labels in labels_of.items()]
