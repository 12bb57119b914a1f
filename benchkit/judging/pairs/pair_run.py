"""Let the judges of a suite compare the answers of its methods, two by two."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from benchkit.config.judging import JudgingSpec
from benchkit.judging.inputs import MethodAnswer
from benchkit.judging.judge_context import make_context, read_run_answers, select_inputs
from benchkit.judging.judge_job import JudgeJob, make_judge_jobs
from benchkit.judging.judgeable_runs import JudgeableRun
from benchkit.judging.pairs.pair_verdicts import (
    AnswerPair,
    PairVerdict,
    list_inputs,
    make_pairs,
    read_pairs,
)
from benchkit.judging.probes.probe_run import judge_by_key
from benchkit.judging.verdicts import JudgeInput
from benchkit.lm.cost_estimate import CostEstimate, sum_usage
from benchkit.runs.progress import SilentProgress
from benchkit.runs.store import Store
from benchkit.types import Progress, RunContext

PAIR_COLUMNS = {
    "judge": pl.String,
    "task": pl.String,
    "case": pl.String,
    "user": pl.String,
    "first": pl.String,
    "second": pl.String,
    "outcome": pl.String,
    "score": pl.Int64,
    "verdict_first_as_a": pl.String,
    "verdict_second_as_a": pl.String,
    "first_shown": pl.Float64,
    "reason": pl.String,
}


@dataclass(frozen=True)
class PairTask:
    """The pairs of one task, for one judge."""

    job: JudgeJob
    task: str
    pairs: tuple[AnswerPair, ...]
    inputs: tuple[JudgeInput, ...]
    """What the judge is asked."""
    context: RunContext
    left_out: tuple[tuple[str, str], ...] = ()
    """Methods that are in no pair, each with the reason."""


def plan_pairs(
    store: Store,
    runs: Sequence[JudgeableRun],
    spec: JudgingSpec,
    progress: Progress | None = None,
    missing: Mapping[tuple[str, str], str] | None = None,
) -> Iterator[PairTask]:
    """Yield the pairs of each judge and task: every two methods, every case that both explain.

    Of a method with several seeds the first one's answers are compared.

    Args:
        store: The run store.
        runs: The runs of methods to compare.
        spec: The judges.
        progress: What judges report to.
        missing: (task, method) -> why it has no run there, for `PairTask.left_out`.
    """
    by_task: dict[str, dict[str, JudgeableRun]] = {}
    for run in sorted(runs, key=lambda run: run.manifest.seed):
        by_task.setdefault(run.manifest.task, {}).setdefault(run.manifest.label, run)
    for job in make_judge_jobs(spec, for_pairs=True):
        for task, of_task in by_task.items():
            answers: dict[str, list[JudgeInput]] = {}
            left_out = {m: why for (place, m), why in (missing or {}).items() if place == task}
            labels = dict.fromkeys(run.manifest.label for run in runs)
            for label in (name for name in labels if name in of_task):
                catalog, all_answers = read_run_answers(job, of_task[label])
                inputs = select_inputs(job.judge.rubric, all_answers)
                if inputs:
                    answers[label] = inputs
                else:
                    left_out[label] = _reason_without_inputs(all_answers)
            first = next(iter(of_task.values()))
            context = make_context(store, first, catalog, progress or SilentProgress())
            pairs = make_pairs(answers)
            compared = {name for pair in pairs for name in (pair.first_method, pair.second_method)}
            left_out |= dict.fromkeys(
                (name for name in answers if name not in compared),
                "no other method explains a case that it explains",
            )
            inputs_of_pairs = tuple(list_inputs(job.judge, pairs))
            yield PairTask(
                job, task, tuple(pairs), inputs_of_pairs, context, tuple(left_out.items())
            )


def _reason_without_inputs(answers: Sequence[MethodAnswer]) -> str:
    if any(answer.rationale for answer in answers):
        return "no rationale that needs a judge: the rubric grades wrong items by itself"
    return "no rationales"


def estimate_pairs(task: PairTask) -> CostEstimate:
    """Estimate what `judge_pairs` would ask a language model for, without asking."""
    return task.job.judge.estimate(task.inputs, task.context)


def judge_pairs(task: PairTask) -> tuple[pl.DataFrame, Mapping[str, float]]:
    """Ask the judge about the pairs of a task.

    Returns:
        A row a pair (`PAIR_COLUMNS`), and what the answers used, e.g. {"prompt_tokens": 81200}.

    Raises:
        EngineError: Too many pairs lack an answer of the judge's engine.
    """
    verdicts = judge_by_key(task.job.judge, task.inputs, task.context)
    rows = [_row(task, verdict) for verdict in read_pairs(task.job.judge, task.pairs, verdicts)]
    table = pl.DataFrame(rows, schema=PAIR_COLUMNS, orient="row")
    return table, sum_usage(verdict.usage for verdict in verdicts.values())


def _row(task: PairTask, verdict: PairVerdict) -> tuple[object, ...]:
    pair = verdict.pair
    return (
        task.job.spec.name, task.task, pair.case, pair.user, pair.first_method,
        pair.second_method, verdict.outcome, verdict.score, *verdict.verdicts,
        verdict.first_shown, verdict.reason or None,
    )  # fmt: skip
