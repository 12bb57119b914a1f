"""What planned runs are expected to cost, as `run --dry-run` prints it."""

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from benchkit.api.plans.planned_runs import PlannedRun
from benchkit.report.core.terminal_table import print_tables
from benchkit.report.core.text_table import TextTable
from benchkit.runs.estimates.cost_texts import (
    format_count,
    format_forecast,
    format_megabytes,
    format_money,
    format_seconds,
)
from benchkit.runs.estimates.expected_costs import (
    COMPUTED_BEFORE,
    ExpectedCosts,
    Forecast,
    sum_forecasts,
)
from benchkit.runs.estimates.machine import find_memory_problems, measure_free_memory
from benchkit.runs.estimates.plan_costs import count_workers, schedule_runs
from benchkit.runs.executors import LOCAL_EXECUTORS, JobExecutor
from benchkit.visible_text import make_visible

if TYPE_CHECKING:
    from rich.console import Console

# Title, figure, how it is written, and whether there is a column where no row has it.
_COLUMNS: tuple[tuple[str, Callable[[ExpectedCosts], Forecast | None],
                      Callable[..., str], bool], ...] = (
    ("Time", lambda cost: cost.seconds, format_seconds, True),
    ("Memory", lambda cost: cost.memory_mb, format_megabytes, True),
    ("GPU", lambda cost: cost.gpu_memory_mb, format_megabytes, False),
    ("Tokens", lambda cost: cost.tokens, format_count, False),
    ("Money", lambda cost: cost.money, format_money, False),
)  # fmt: skip
_NO_RANGE = {"GPU", "Tokens"}  # in the table: a terminal has 80 columns


def print_plan(
    planned: Sequence[PlannedRun],
    console: "Console",
    jobs: int = 1,
    threads: int = 1,
    executor: str | JobExecutor = "",
) -> None:
    """Print planned runs, what they are expected to cost, and which ones do not fit this machine.

    Args:
        planned: What `plan` returned.
        console: Where to print.
        jobs: Runs at a time.
        threads: Threads of one run.
        executor: Where they are computed.
    """
    for run in planned:
        console.print(run.line, soft_wrap=True, markup=False, highlight=False)
    here = executor in LOCAL_EXECUTORS
    due = [run for run in planned if run.state != "skipped" and run.expected != COMPUTED_BEFORE]
    known = [run for run in due if run.expected.is_known]
    unknown = len(due) - len(known)
    if not known:
        if unknown:
            of_runs = "this run" if unknown == 1 else f"these {unknown} runs"
            text = f"Expected costs of {of_runs}: unknown; nothing like that is on record."
            console.print(text, highlight=False, soft_wrap=True)
        return
    print_tables(console, [build_expected_table(known, unknown, jobs, threads, here)])
    if here:
        costs = {run.title: run.expected for run in known}
        for title, problem in find_memory_problems(costs, measure_free_memory(), jobs):
            line = make_visible(f"warning   {title}  {problem}")
            console.print(line, style="yellow", soft_wrap=True, markup=False, highlight=False)


def build_expected_table(
    known: Sequence[PlannedRun], unknown: int, jobs: int = 1, threads: int = 1, here: bool = True
) -> TextTable:
    """Return the table of runs that are to be computed, with the total below.

    Args:
        known: Runs of which something is known.
        unknown: Runs of which nothing is known.
        jobs: Runs at a time.
        threads: Threads of one run.
        here: Whether they are computed on this machine.
    """
    costs = [run.expected for run in known]
    columns = [
        (title, figure, form)
        for title, figure, form, always in _COLUMNS
        if always or any((forecast := figure(cost)) and forecast.value for cost in costs)
    ]
    rows = []
    for run in known:
        cells = [run.title]
        for title, figure, form in columns:
            forecast = figure(run.expected)
            if forecast is not None and title in _NO_RANGE:
                cells.append(form(forecast.value))
            else:
                cells.append(format_forecast(forecast, form))
        rows.append((*cells, run.expected.basis))
    header = ("Run", *(title for title, _, _ in columns), "From")
    notes = tuple(_describe_total(costs, unknown, jobs, threads, here))
    return TextTable("Expected costs", header, tuple(rows), notes)


def _describe_total(
    costs: Sequence[ExpectedCosts], unknown: int, jobs: int, threads: int, here: bool
) -> Iterator[str]:
    workers = count_workers(jobs, threads) if here else jobs
    total = format_forecast(schedule_runs(costs, workers), format_seconds)
    how = "one run at a time" if workers == 1 else f"{workers} runs at a time"
    without = f", without {unknown} of which nothing is known" if unknown else ""
    yield f"Total: {total}, {how}{without}."
    money = [cost.money for cost in costs if cost.money is not None]
    if money:
        yield f"Money: {format_forecast(sum_forecasts(money), format_money)}."
    yield (
        "What runs share is counted in the first that needs it; answers of servers that are on"
        " record are not asked again."
    )
