"""Probe the judges of a suite on the answers of its runs; nothing is recorded."""

from collections.abc import Sequence

import polars as pl

from benchkit.config.judging import JudgingSpec
from benchkit.judging.judge_context import make_context, read_run_answers, select_inputs
from benchkit.judging.judge_job import JudgeJob, make_judge_jobs
from benchkit.judging.judgeable_runs import JudgeableRun
from benchkit.judging.probes.probe import PROBES
from benchkit.judging.probes.probe_run import judge_by_key, run_probes, tabulate_grades
from benchkit.judging.probes.probe_summary import SUMMARY_COLUMNS, summarize_probes
from benchkit.judging.probes.self_preference import SELF_PREFERENCE, compare_own_methods
from benchkit.judging.validation import same_model_warning
from benchkit.runs.store import Store

_NO_TEXT = "it is not asked in the words of a rubric, or its parts cannot be told apart"
_NO_OTHER = "it shares a model with none of these methods, or nothing is independent of them"
UNMEASURED_COLUMNS = {"judge": pl.String, "probe": pl.String, "reason": pl.String}


def probe_judges(
    store: Store, runs: Sequence[JudgeableRun], spec: JudgingSpec, count: int
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Measure what each judge's grades do when something changes (`probe.PROBES`).

    Over the first `count` judged answers of every run. Answers of several methods to one case of a
    task are one case of the intervals. Where judges share a model with methods, whether they
    prefer these is measured, too, against judges with the same rubric that share none.

    Returns:
        The summary (`summarize_probes`) with the column `judge`, all of whose tests are adjusted
        together; and the probes that could not be measured, with the reason.
    """
    tables: dict[str, list[pl.DataFrame]] = {}
    grades: list[pl.DataFrame] = []
    shared: dict[str, set[str]] = {}
    jobs = make_judge_jobs(spec)
    for job in jobs:
        shared[job.spec.name] = {
            run.manifest.label
            for run in runs
            if same_model_warning(job.judge.models, run.manifest.identity.get("config", {}))
        }
        for run in runs:
            probed = _probe_run(store, job, run, count)
            if probed is not None:
                table, of_run = probed
                tables.setdefault(job.spec.name, []).append(table)
                grades.append(of_run)
    if not tables:
        judge = {"judge": pl.String}
        return pl.DataFrame(schema={**judge, **SUMMARY_COLUMNS}), _list_unmeasured(jobs, [])
    for label, parts in tables.items():
        parts.append(compare_own_methods(pl.concat(grades), label, shared))
    summary = summarize_probes(
        pl.concat(
            sort_probes(pl.concat(parts)).select(pl.lit(label).alias("judge"), pl.all())
            for label, parts in tables.items()
        )
    )
    measured = summary.select("judge", "probe").unique().rows()
    return summary, _list_unmeasured(jobs, measured)


def _probe_run(
    store: Store, job: JudgeJob, run: JudgeableRun, count: int
) -> tuple[pl.DataFrame, pl.DataFrame] | None:
    """Return the rows of a run's probes and its grades as it is; None without judged answers."""
    catalog, answers = read_run_answers(job, run)
    inputs = select_inputs(job.judge.rubric, answers)[:count]
    if not inputs:
        return None
    context = make_context(store, run, catalog)
    before = judge_by_key(job.judge, inputs, context)
    table = run_probes(job.judge, inputs, context, seed=context.seed, before=before)
    task = pl.lit(f"{run.manifest.task} / ")
    in_task = [pl.concat_str(task, name).alias(name) for name in ("case", "user")]
    grades = tabulate_grades(job.judge, inputs, before).with_columns(
        *in_task,
        judge=pl.lit(job.spec.name),
        rubric=pl.lit(job.judge.rubric.hash),
        method=pl.lit(run.manifest.label),
    )
    return table.with_columns(in_task), grades


def sort_probes(table: pl.DataFrame) -> pl.DataFrame:
    """Return the rows in the order of probes: one that the first run lacks is not last."""
    order = pl.Enum([*(probe.name for probe in PROBES), SELF_PREFERENCE])
    return table.sort(pl.col("probe").cast(order), maintain_order=True)


def _list_unmeasured(jobs: Sequence[JudgeJob], measured: Sequence[tuple[str, str]]) -> pl.DataFrame:
    rows = []
    for job in jobs:
        for name in [probe.name for probe in PROBES] + [SELF_PREFERENCE]:
            if (job.spec.name, name) not in measured:
                reason = _NO_OTHER if name == SELF_PREFERENCE else _NO_TEXT
                unchanged = "it leaves these answers as they are"
                is_of_judge = name in ("parts reversed", "rubric reworded", SELF_PREFERENCE)
                rows.append((job.spec.name, name, reason if is_of_judge else unchanged))
    return pl.DataFrame(rows, schema=UNMEASURED_COLUMNS, orient="row")
