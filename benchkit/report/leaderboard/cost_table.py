"""What each method cost: training, by stage, and answering; and how their trainings compare."""

from collections.abc import Iterator, Sequence
from typing import Any

from benchkit.report.core.results import ResultRow, ResultTable, SuiteTables
from benchkit.report.core.text_table import TextTable, csv_text
from benchkit.report.leaderboard import costs
from benchkit.report.paper.published_values import TrainingTimeRatio, same_method, time_ratios_of
from benchkit.runs.records import PlanRecord

# The stages in which methods differ; the others prepare what they start from.
_TRAINING = ("reference", "preference", "reinforce")
_STAGE = "_stage_seconds"
_TITLES = {
    "nano": "Backbone (s)", "sft": "SFT (s)", "encoder": "Encoder (s)",
    "reference": "Reference (s)",
    "preference": "Preference (s)", "reinforce": "Rewards (s)",
}  # fmt: skip
_COLUMNS = (
    "suite", "task", "method", "family", "seeds", "fit_seconds",
    *(f"{name}{_STAGE}" for name in _TITLES),
    "training_relative", "published_relative", "seconds_per_1000_users", "tokens_per_1000_users",
    "peak_memory_mb", "device",
)  # fmt: skip


def build_cost_tables(
    results: SuiteTables, factors: Sequence[TrainingTimeRatio] = ()
) -> Iterator[TextTable]:
    """Yield a table for each task, from its first table of results: one line a complete row.

    Args:
        results: The suite's results.
        factors: Published ratios, which stand beside ours where they are of the same pair.
    """
    for task, rows in _tasks(results):
        yield _table(results.plan, task, rows, time_ratios_of(factors, results.plan.relative_to))


def costs_csv(results: SuiteTables, factors: Sequence[TrainingTimeRatio] = ()) -> str:
    """Return one line a task and complete row, exact numbers; what was not recorded is empty."""
    return csv_text(_COLUMNS, _records(results, factors))


def _records(
    results: SuiteTables, factors: Sequence[TrainingTimeRatio]
) -> Iterator[dict[str, Any]]:
    plan = results.plan
    compared = time_ratios_of(factors, plan.relative_to)
    for task, rows in _tasks(results):
        base = _base(plan, rows)
        for row in rows:
            seconds = _training(row)
            yield {
                **row.cost,
                "suite": plan.suite,
                "task": task,
                "method": row.label,
                "family": row.family,
                "seeds": " ".join(map(str, row.seeds)),
                "training_relative": seconds / base if base and seconds else None,
                "published_relative": next((f.ratio for f in _of(row, compared)), None),
                "seconds_per_1000_users": costs.per_thousand_users(row, "seconds"),
                "tokens_per_1000_users": costs.per_thousand_users(row, "tokens"),
                "device": row.device,
            }


def _tasks(results: SuiteTables) -> Iterator[tuple[str, list[ResultRow]]]:
    """Return each task with the rows of its first table that have figures."""
    first: dict[str, ResultTable] = {}
    for table in results.tables:
        if not table.subgroup:
            first.setdefault(table.task, table)
    for task, table in first.items():
        if rows := [row for row in table.rows if row.cells]:
            yield task, rows


def _table(
    plan: PlanRecord, task: str, rows: Sequence[ResultRow], factors: Sequence[TrainingTimeRatio]
) -> TextTable:
    stages = [name for name in _TITLES if any(f"{name}{_STAGE}" in row.cost for row in rows)]
    measured = [costs.row_costs(row) for row in rows]
    columns = [name for name in costs.COST_TITLES if any(name in cost for cost in measured)]
    base = _base(plan, rows)
    compared = [factor for row in rows for factor in _of(row, factors)] if base else []
    lines = []
    for row, cost in zip(rows, measured, strict=True):
        cells = [row.label]
        cells += [_seconds(row.cost.get(f"{name}{_STAGE}")) for name in stages]
        if base:
            seconds = _training(row)
            cells.append(f"{seconds / base:.2f}" if seconds else "")
        if compared:
            cells.append(next((f"{factor.ratio:.2f}" for factor in _of(row, compared)), ""))
        cells += [str(cost[name][0]) if name in cost else "" for name in columns]
        lines.append(tuple(cells))
    header = ("Method", *(_TITLES[name] for name in stages))
    if base:
        header += (f"Training / {plan.relative_to}",)
    if compared:
        header += ("Published",)
    header += tuple(costs.COST_TITLES[name] for name in columns)
    notes = tuple(_notes(rows, base, plan, compared))
    return TextTable(f"{plan.title}: {task}, costs", header, tuple(lines), notes)


def _notes(
    rows: Sequence[ResultRow], base: float, plan: PlanRecord, compared: Sequence[TrainingTimeRatio]
) -> Iterator[str]:
    yield (
        "Fit counts every stage as if it had been computed for this row alone, also where another"
        " run of the store had done it. Answering is under the protocol of the first table."
    )
    if base:
        yield (
            f"Training / {plan.relative_to}: seconds of the reference's log-probabilities and of"
            " training itself, without the fine-tuned start and what an encoder says of the texts."
        )
    if compared:
        tables = ", ".join(dict.fromkeys(factor.reference for factor in compared))
        quotations = "; ".join(factor.quotation for factor in compared)
        yield (
            f"Published: the same ratio by {tables}, on other data, models and machines. It prints"
            f" of {compared[0].method}: {quotations}."
        )
    if any(len(row.seeds) > 1 for row in rows):
        yield "Means over seeds."


def _of(row: ResultRow, factors: Sequence[TrainingTimeRatio]) -> list[TrainingTimeRatio]:
    return [factor for factor in factors if same_method(row.label, factor.other)]


def _base(plan: PlanRecord, rows: Sequence[ResultRow]) -> float:
    """Return the seconds of training that count as 1, or 0 where nothing does."""
    return _training(next((row for row in rows if row.label == plan.relative_to), None))


def _training(row: ResultRow | None) -> float:
    """Return the seconds of the stages in which preference methods differ; 0 for a row without."""
    if row is None:
        return 0.0
    return sum(row.cost.get(f"{name}{_STAGE}", 0.0) for name in _TRAINING)


def _seconds(value: float | None) -> str:
    return "" if value is None else f"{value:.1f}"
