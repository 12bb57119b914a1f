"""What each method cost: training, by stage, and answering; and how their trainings compare."""

from collections.abc import Iterator, Sequence

from benchkit.records import Plan
from benchkit.report import costs
from benchkit.report.grid import Grid
from benchkit.report.model import Results, Row

# The stages in which methods differ; the others prepare what they start from.
_TRAINING = ("reference", "preference", "reinforce")
_STAGE = "_stage_seconds"
_TITLES = {
    "nano": "Backbone (s)", "sft": "SFT (s)", "encoder": "Encoder (s)",
    "reference": "Reference (s)",
    "preference": "Preference (s)", "reinforce": "Rewards (s)",
}  # fmt: skip


def cost_grids(results: Results) -> Iterator[Grid]:
    """A grid for each task, from its first table: one line a complete row."""
    done = set()
    for table in results.tables:
        if table.task in done or table.part:
            continue
        done.add(table.task)
        rows = [row for row in table.rows if row.cells]
        if rows:
            yield _grid(results.plan, table.task, rows)


def _grid(plan: Plan, task: str, rows: Sequence[Row]) -> Grid:
    stages = [name for name in _TITLES if any(f"{name}{_STAGE}" in row.cost for row in rows)]
    measured = [costs.of_row(row) for row in rows]
    columns = [name for name in costs.TITLES if any(name in own for own in measured)]
    base = _training(next((row for row in rows if row.label == plan.relative_to), None))
    lines = []
    for row, own in zip(rows, measured, strict=True):
        cells = [row.label]
        cells += [_seconds(row.cost.get(f"{name}{_STAGE}")) for name in stages]
        if base:
            took = _training(row)
            cells.append(f"{took / base:.2f}" if took else "")
        cells += [str(own[name][0]) if name in own else "" for name in columns]
        lines.append(tuple(cells))
    head = ("Method", *(_TITLES[name] for name in stages))
    if base:
        head += (f"Training / {plan.relative_to}",)
    head += tuple(costs.TITLES[name] for name in columns)
    return Grid(f"{plan.title}: {task}, costs", head, tuple(lines), tuple(_notes(rows, base, plan)))


def _notes(rows: Sequence[Row], base: float, plan: Plan) -> Iterator[str]:
    yield (
        "Fit counts every stage as if it had been computed for this row alone, also where another"
        " run of the store had done it. Answering is under the protocol of the first table."
    )
    if base:
        yield (
            f"Training / {plan.relative_to}: seconds of the reference's log-probabilities and of"
            " training itself, without the fine-tuned start and what an encoder says of the texts."
        )
    if any(len(row.seeds) > 1 for row in rows):
        yield "Means over seeds."


def _training(row: Row | None) -> float:
    """Seconds of the stages that tell preference methods apart; 0 for a row without."""
    if row is None:
        return 0.0
    return sum(row.cost.get(f"{name}{_STAGE}", 0.0) for name in _TRAINING)


def _seconds(value: float | None) -> str:
    return "" if value is None else f"{value:.1f}"
