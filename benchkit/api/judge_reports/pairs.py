"""Compare methods two by two by a suite's judges, print it, and write it beside the leaderboard."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from benchkit.api.judge_reports.generated_data import judges_generated_data
from benchkit.console import echo, echo_files
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
from benchkit.report.pairs.files import find_dropped_tasks, write_pairs
from benchkit.report.pairs.pair_summary import PairFacts, summarize_pairs
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
) -> tuple[pl.DataFrame, dict[str, dict[str, float]], list[PairFacts]]:
    """Ask the judges about all pairs of answers; what was paid for before is kept.

    Returns:
        A row a pair (`pair_run.PAIR_COLUMNS`), what each judge's answers used, and what a reader
        must know of each judge and task.

    Raises:
        StoreError: No two methods explain the same cases.
    """
    tables, usage, facts = [], dict[str, Counter[str]](), []
    with use_engine_factory(planned.engines):
        for task in _list_tasks(planned):
            table, used = judge_pairs(task)
            tables.append(table)
            of_judge = usage.setdefault(task.job.spec.name, Counter())
            of_judge.update(used)
            facts.append(_facts_of(planned, task))
    facts += _tasks_without_runs(planned, facts)
    table = pl.concat(tables) if tables else pl.DataFrame(schema=PAIR_COLUMNS)
    if table.is_empty():
        reasons = dict.fromkeys(f"{m}: {why}" for fact in facts for m, why in fact.left_out)
        raise StoreError(
            f"suite {planned.name!r}: no two methods explain the same cases"
            + (f" ({'; '.join(reasons)})" if reasons else ""),
            "compare two methods that give rationales, in the same task",
        )
    return table, {judge: dict(used) for judge, used in usage.items()}, facts


def report_pairs(planned: "JudgingPlan", console: "Console", leaderboards: Path) -> None:
    """Compare, and print tables; write them into LEADERBOARDS/SUITE, where there is one.

    Files hold what was compared now; which other tasks they held before is said.
    """
    table, usage, facts = compare_answers(planned)
    summaries = list(summarize_pairs(table, facts))
    print_tables(console, pair_tables(summaries))
    folder = leaderboards / folder_name(planned.name)
    if folder.is_dir():
        dropped = find_dropped_tasks(summaries, folder)
        echo_files(write_pairs(table, summaries, usage, folder))
        for judge, others in dropped.items():
            tasks = ", ".join(one.task for one in summaries if one.judge == judge)
            echo(
                f"judge {judge}: its files now hold only {tasks}, and no longer"
                f" {', '.join(others)}: compare without --dataset to have all",
                fg="yellow",
                err=True,
            )


def _list_tasks(planned: "JudgingPlan") -> Iterator[PairTask]:
    return plan_pairs(planned.store, planned.targets, planned.judging, missing=planned.missing)


def _facts_of(planned: "JudgingPlan", task: PairTask) -> PairFacts:
    """Return what is to be said of a task; some caveats are known only once it is judged."""
    judge = task.job.judge
    return PairFacts(
        task.job.spec.name,
        task.task,
        judge.rubric.pairwise,
        judge.caveats,
        task.left_out,
        judges_generated_data(planned, task.task),
    )


def _tasks_without_runs(planned: "JudgingPlan", facts: Sequence[PairFacts]) -> Iterator[PairFacts]:
    """Yield what is to be said of each judge and task that no method has a complete run of."""
    known = {fact.task for fact in facts}
    of_judges = {fact.judge: fact for fact in facts}
    for name in dict.fromkeys(task for task, _ in planned.missing if task not in known):
        reasons = tuple((m, why) for (task, m), why in planned.missing.items() if task == name)
        for fact in of_judges.values():
            is_synthetic = judges_generated_data(planned, name)
            yield replace(fact, task=name, left_out=reasons, is_synthetic=is_synthetic)
