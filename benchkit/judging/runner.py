"""Judging the runs of a suite: what is to be judged, by whom, and what is recorded of it."""

import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import NamedTuple

from benchkit import io
from benchkit.config.judging import JudgingSpec
from benchkit.errors import BenchkitError, ConfigError, EngineError, MethodError, StoreError
from benchkit.faults import DEFAULT_MAX_FAULT_SHARE, FaultRecord, FaultTally
from benchkit.judging import verdict_table
from benchkit.judging.inputs import MethodAnswer
from benchkit.judging.judge_context import make_context, read_run_answers, select_inputs
from benchkit.judging.judge_job import JudgeJob, begin_judgement, make_judge_jobs
from benchkit.judging.judgeable_runs import JudgeableRun
from benchkit.judging.judgement_linking import find_same_judgement, link_judgement
from benchkit.judging.probes.probe_run import estimate_probes
from benchkit.judging.statements.run_checks import add_statement_checks, estimate_statement_checks
from benchkit.judging.validation import validate_verdicts
from benchkit.judging.verdicts import BatchJudge, Judge, RunJudge, Verdict
from benchkit.lm.cost_estimate import NO_COST, CostEstimate, sum_usage
from benchkit.lm.generation_cache import ask_again_since
from benchkit.runs.progress import (
    EventHandler,
    RunEvent,
    RunLog,
    StageProgress,
    utc_timestamp,
)
from benchkit.runs.records import JudgementManifest
from benchkit.runs.store import Store
from benchkit.types import RunContext


@dataclass(frozen=True)
class JudgeResult:
    """How judging one run ended."""

    judgeable_run: JudgeableRun
    label: str
    manifest: JudgementManifest | None
    """None where there was nothing to judge."""
    reason: str = ""
    """Why there is no judgement."""
    computed: bool = False
    """Whether the judge was asked now; else the judgement was stored before."""


class JudgeCost(NamedTuple):
    """What judging or probing one run would take."""

    label: str
    judgeable_run: JudgeableRun
    cost: CostEstimate
    judged: bool = False
    """Whether a stored judgement would be used."""


def judge_runs(
    store: Store,
    runs: Sequence[JudgeableRun],
    spec: JudgingSpec | None,
    emit: EventHandler,
    force: bool = False,
    max_fault_share: float = DEFAULT_MAX_FAULT_SHARE,
) -> Iterator[JudgeResult]:
    """Judge every run by every judge, and yield the results.

    Args:
        store: The run store.
        runs: The runs to judge.
        spec: The judges of the suite.
        emit: Receives the events of each judgement.
        force: Judge again, even where a verdict is stored, and ask language models again.
        max_fault_share: Share of the verdicts that may lack an answer of the judge's engine; a
            judgement with more fails, and is made again by the next call.
    """
    jobs = [(job, job.answers_since(runs, force)) for job in make_judge_jobs(spec)]
    for job, since in jobs:  # the batches of all runs and judges are at their servers together
        _submit_batches(store, job, runs, force, since, max_fault_share)
    for job, since in jobs:
        for run in runs:
            with store.lock(f"judge-{run.manifest.run_id}-{job.plan_entry.judge_id}"):
                result = _judge_run(store, job, run, emit, force, since, max_fault_share)
            yield result


def estimate_judge_costs(
    store: Store,
    runs: Sequence[JudgeableRun],
    spec: JudgingSpec,
    probe: int | None = None,
    force: bool = False,
) -> Iterator[JudgeCost]:
    """Estimate what each judge would ask a language model for, run by run, without asking.

    Args:
        store: The run store.
        runs: The runs to judge.
        spec: The judges of the suite.
        probe: Estimate `probe_judges` with so many answers, and not `judge_runs`.
        force: As for `judge_runs`.
    """
    for job in make_judge_jobs(spec):
        since = job.answers_since(runs, force)
        for run in runs:
            stored = job.stored_judgement(run) or find_same_judgement(store, job, run, 1.0)
            if probe is None and not force and stored:
                yield JudgeCost(job.spec.name, run, NO_COST, judged=True)
                continue
            catalog, answers = read_run_answers(job, run)
            inputs = select_inputs(job.judge.rubric, answers)
            context = make_context(store, run, catalog)
            if probe is None:
                with ask_again_since(since or 0.0):
                    cost = job.judge.estimate(inputs, context) + estimate_statement_checks(
                        job.judge, answers, run.dataset, context
                    )
            else:
                cost = estimate_probes(job.judge, inputs[:probe], context, seed=context.seed)
            yield JudgeCost(job.spec.name, run, cost)


def _submit_batches(
    store: Store,
    job: JudgeJob,
    runs: Sequence[JudgeableRun],
    force: bool,
    since: float | None,
    max_fault_share: float,
) -> None:
    """Send the questions about all runs, where the judge asks by batches."""
    if not isinstance(job.judge, BatchJudge) or not job.judge.asks_by_batches:
        return
    for run in runs:
        stored = job.stored_judgement(run, max_fault_share)
        if force or not (stored or find_same_judgement(store, job, run, max_fault_share)):
            catalog, answers = read_run_answers(job, run)
            # What goes wrong here goes wrong again, and is recorded, where the run is judged.
            with ask_again_since(since or 0.0), suppress(EngineError, ConfigError):
                inputs = select_inputs(job.judge.rubric, answers)
                job.judge.submit(inputs, make_context(store, run, catalog))


def _judge_run(
    store: Store,
    job: JudgeJob,
    judgeable: JudgeableRun,
    emit: EventHandler,
    force: bool,
    since: float | None,
    max_fault_share: float,
) -> JudgeResult:
    label, run = job.spec.name, judgeable.run
    if not force and (stored := job.stored_judgement(judgeable, max_fault_share)):
        return JudgeResult(judgeable, label, stored)
    if not force and (linked := link_judgement(store, job, judgeable, max_fault_share)):
        return JudgeResult(judgeable, label, linked)
    catalog, answers = read_run_answers(job, judgeable)
    if not any(answer.rationale for answer in answers):
        return JudgeResult(judgeable, label, None, "gives no rationales")
    judge = job.judge_for(judgeable)
    if judge is None:
        return JudgeResult(judgeable, label, None, "the judge has no verdicts of it")
    title = f"{judgeable.title} / {label}"
    manifest = begin_judgement(job, judge, judgeable.manifest, since)
    run.write_judgement(manifest)
    emit(RunEvent("started", title))
    start = time.perf_counter()
    log = RunLog(run.log)
    try:
        context = make_context(store, judgeable, catalog, StageProgress(title, emit, log))
        with ask_again_since(since or 0.0):
            verdicts, faults = _collect_verdicts(judge, answers, context, max_fault_share)
            table = verdict_table.build_verdict_table(answers, verdicts, job.judge.rubric, catalog)
            checked = add_statement_checks(
                table, judge, answers, judgeable.dataset, context, max_fault_share
            )
    except StoreError:
        raise  # the judgement stays as one that is to be made again
    except Exception as error:
        if (fault := io.disk_error(error)) is not None:
            raise fault from error
        cause = error if isinstance(error, BenchkitError) else MethodError(
            f"judge {label!r} raised {type(error).__name__}: {error}",
            "fix the judge and judge again",
        )  # fmt: skip
        manifest = manifest.model_copy(
            update={"status": "failed", "finished": utc_timestamp(), "error": str(cause)}
        )
        run.write_judgement(manifest)
        emit(RunEvent("failed", title, note=str(cause)))
        return JudgeResult(judgeable, label, manifest, cause.cause, computed=True)
    finally:
        log.close()
    warnings = (*manifest.warnings, *(judge.warnings if isinstance(judge, RunJudge) else ()))
    seconds = {"seconds": round(time.perf_counter() - start, 3)}
    usage = sum_usage([*(verdict.usage for verdict in verdicts.values()), checked.usage])
    manifest = manifest.model_copy(
        update={
            "status": "complete",
            "finished": utc_timestamp(),
            "caveats": judge.caveats,  # some are known once it has judged
            "warnings": (*warnings, *[faults.describe()] * bool(faults.count)),
            "faults": [FaultRecord.from_tally(label, faults)] * bool(faults.count),
            "counts": verdict_table.count_verdicts(checked.table),
            "cost": seconds | usage,
        }
    )
    run.write_judgement(manifest, checked.table)
    counts = ", ".join(f"{count} {name}" for name, count in manifest.counts.items())
    emit(RunEvent("complete", title, note=f"{counts}  ({seconds['seconds']:.1f} s)"))
    return JudgeResult(judgeable, label, manifest, computed=True)


def _collect_verdicts(
    judge: Judge, answers: Sequence[MethodAnswer], run: RunContext, max_fault_share: float
) -> tuple[dict[str, Verdict], FaultTally]:
    """Return the verdicts of the answers that need a judge, by case, and the engine's faults.

    Raises:
        EngineError: There are more faults than `max_fault_share` allows.
    """
    inputs = select_inputs(judge.rubric, answers)
    run.progress.start("judgements", len(inputs))
    verdicts = {}
    faults = FaultTally(len(inputs), max_fault_share, "judgements")
    for verdict in validate_verdicts(judge.judge(inputs, run), inputs, judge.rubric):
        verdicts[verdict.key] = verdict
        run.progress.advance(note=f"case {verdict.key}: {verdict.fault}" if verdict.fault else "")
        if verdict.fault:
            faults.add(verdict.fault)
    return verdicts, faults
