"""Compare methods two by two by a suite's judges, print it, and write it beside the leaderboard."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from benchkit.console import echo_files
from benchkit.errors import StoreError
from benchkit.io import folder_name
from benchkit.judging.pairs.pair_run import (
    PAIR_COLUMNS,
    PairTask,
    estimate_pairs,
    judge_pairs,
    plan_pairs,
)
from benchkit.lm.cost_estimate import ESTIMATE_NOTE, NO_COST
from benchkit.lm.data_parallel.engine_factory import use_engine_factory
from benchkit.report.core.terminal_table import print_tables
from benchkit.report.pairs.files import write_pairs
from benchkit.report.pairs.pair_summary import summarize_pairs
from benchkit.report.pairs.tables import pair_tables

if TYPE_CHECKING:
    from rich.console import Console

    from benchkit.api.judgement import JudgingPlan


def describe_pair_costs(planned: "JudgingPlan") -> Iterator[str]:
    """Yield what comparing would ask for, a line a judge and task; nothing is asked."""
    total = NO_COST
    with use_engine_factory(planned.engines):
        for task in _list_tasks(planned):
            cost = estimate_pairs(task)
            total += cost
            yield f"{task.task} / {task.job.spec.name}: {len(task.pairs):,} pairs: {cost}"
    if total.calls:
        yield f"all: {total}"
        yield ESTIMATE_NOTE


def compare_answers(
    planned: "JudgingPlan",
) -> tuple[pl.DataFrame, dict[str, dict[str, float]]]:
    """Ask the judges about all pairs of answers; what was paid for before is kept.

    Returns:
        A row a pair (`pair_run.PAIR_COLUMNS`), and what each judge's answers used.

    Raises:
        StoreError: No two methods explain the same cases.
    """
    tables, usage = [], dict[str, Counter[str]]()
    with use_engine_factory(planned.engines):
        for task in _list_tasks(planned):
            table, used = judge_pairs(task)
            tables.append(table)
            of_judge = usage.setdefault(task.job.spec.name, Counter())
            of_judge.update(used)
    table = pl.concat(tables) if tables else pl.DataFrame(schema=PAIR_COLUMNS)
    if table.is_empty():
        raise StoreError(
            f"suite {planned.name!r}: no two methods explain the same cases",
            "compare two methods that give rationales, in the same task",
        )
    return table, {judge: dict(used) for judge, used in usage.items()}


def report_pairs(planned: "JudgingPlan", console: "Console", leaderboards: Path) -> None:
    """Compare, and print tables; write them into LEADERBOARDS/SUITE, where there is one."""
    table, usage = compare_answers(planned)
    summaries = list(summarize_pairs(table))
    print_tables(console, pair_tables(summaries))
    folder = leaderboards / folder_name(planned.name)
    if folder.is_dir():
        echo_files(write_pairs(table, summaries, usage, folder))


def _list_tasks(planned: "JudgingPlan") -> Iterator[PairTask]:
    return plan_pairs(planned.store, planned.targets, planned.judging)
