"""Judging the runs of a suite: what is to be judged, by whom, and what is kept of it."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

from benchkit import cards, fingerprint
from benchkit.cards import Card
from benchkit.config.suite import JudgeSpec, JudgingSpec
from benchkit.errors import BenchkitError, ConfigError, MethodError
from benchkit.judging import inputs as shown
from benchkit.judging import robustness, verdict_table
from benchkit.judging.inputs import MethodAnswer
from benchkit.judging.judgeable_runs import JudgeableRun
from benchkit.judging.rubric import Rubric
from benchkit.judging.validation import same_model_warning, validate_verdicts
from benchkit.judging.verdicts import Judge, JudgeInput, Verdict, construct_judge
from benchkit.lm.cost_estimate import NO_COST, CostEstimate
from benchkit.runs.progress import (
    EventHandler,
    RunEvent,
    RunLog,
    SilentProgress,
    StageProgress,
    utc_timestamp,
)
from benchkit.runs.provenance import collect_provenance
from benchkit.runs.records import JudgementManifest, Manifest, PlannedJudge
from benchkit.runs.store import Store
from benchkit.source_hash import hash_sources
from benchkit.types import Catalog, Progress, RunContext


@dataclass(frozen=True)
class JudgeJob:
    """One judge with one set of cases; the same for every run that it judges."""

    spec: JudgeSpec
    card: Card
    judge: Judge
    cases: int
    answers: str

    @property
    def identity(self) -> dict[str, Any]:
        """Everything but the run that can change a verdict."""
        config = cards.build_config(self.card, self.spec.config)
        return {
            **cards.identify_component(self.card, config),
            "harness": hash_sources(Path(verdict_table.__file__)),
            "rubric": self.judge.rubric.hash,
            "cases": self.cases,
            "answers": self.answers,
        }

    @property
    def plan_entry(self) -> PlannedJudge:
        return PlannedJudge(
            label=self.spec.name,
            judge_id=fingerprint.hash_json(self.identity),
            rubric=self.judge.rubric.name,
        )


@dataclass(frozen=True)
class JudgeResult:
    """How judging one run ended. manifest is None where there was nothing to judge, and `why`."""

    judgeable_run: JudgeableRun
    label: str
    manifest: JudgementManifest | None
    reason: str = ""
    computed: bool = False


def make_judge_jobs(spec: JudgingSpec | None) -> list[JudgeJob]:
    """The judges of a suite, constructed. Raises ConfigError for a judge that cannot be."""
    if spec is None:
        return []
    found = []
    for judge in spec.judges:
        card = cards.find_card(judge.judge, "judge")
        if card.missing_packages:
            raise ConfigError(
                f"judge {judge.name!r} needs {', '.join(card.missing_packages)}",
                f"pip install {' '.join(card.missing_packages)}",
            )
        made = construct_judge(card, cards.build_config(card, judge.config))
        found.append(JudgeJob(judge, card, made, spec.cases, spec.answers))
    return found


def judge_runs(
    store: Store,
    targets: Sequence[JudgeableRun],
    spec: JudgingSpec | None,
    emit: EventHandler,
    again: bool = False,
) -> Iterator[JudgeResult]:
    """Judge every target by every judge; what is judged already is kept.

    again: judge once more what is complete or failed.
    """
    for sitting in make_judge_jobs(spec):
        for target in targets:
            with store.lock(f"judge-{target.manifest.run_id}-{sitting.plan_entry.judge_id}"):
                yield _judge_run(store, sitting, target, emit, again)


class JudgeCost(NamedTuple):
    """What judging or probing one run would take. judged: it is judged already, and stays so."""

    label: str
    judgeable_run: JudgeableRun
    cost: CostEstimate
    judged: bool = False


def estimate_judge_costs(
    store: Store,
    targets: Sequence[JudgeableRun],
    spec: JudgingSpec,
    probe: int | None = None,
    again: bool = False,
) -> Iterator[JudgeCost]:
    """What each judge would ask a language model for, run by run. Nothing is asked.

    probe: estimate `probe_judges` with so many answers, and not `judge_runs`. again: as in `judge_runs`.
    """
    for sitting in make_judge_jobs(spec):
        for target in targets:
            if probe is None and not again and _stored_judgement(sitting, target):
                yield JudgeCost(sitting.spec.name, target, NO_COST, judged=True)
                continue
            catalog, found = _answers(sitting, target)
            exhibits = _judge_inputs(sitting.judge.rubric, found)
            context = _context(store, target, catalog)
            if probe is None:
                cost = sitting.judge.estimate(exhibits, context)
            else:
                asked = exhibits[:probe]
                cost = robustness.estimate_probes(sitting.judge, asked, context, seed=context.seed)
            yield JudgeCost(sitting.spec.name, target, cost)


def probe_judges(
    store: Store, targets: Sequence[JudgeableRun], spec: JudgingSpec, count: int
) -> Iterator[tuple[str, pl.DataFrame]]:
    """How far each judge's grades move when what it is shown is changed: its label and the summary
    (`summarize_probes`) over the first `count` judged answers of every run. Answers of several
    methods to one case of a task are one case of its interval. Nothing is recorded."""
    for sitting in make_judge_jobs(spec):
        tables = []
        for target in targets:
            catalog, found = _answers(sitting, target)
            exhibits = _judge_inputs(sitting.judge.rubric, found)[:count]
            if exhibits:
                context = _context(store, target, catalog)
                moved = robustness.run_probes(sitting.judge, exhibits, context, seed=context.seed)
                of_task = pl.concat_str(pl.lit(f"{target.manifest.task} / "), "case")
                tables.append(moved.with_columns(case=of_task))
        if tables:
            yield sitting.spec.name, robustness.summarize_probes(pl.concat(tables))


def _stored_judgement(sitting: JudgeJob, target: JudgeableRun) -> JudgementManifest | None:
    """What the judge has made of the run, if it came to an end."""
    planned = sitting.plan_entry
    old = target.run.judgement(planned.label, planned.judge_id)
    return old if old is not None and old.status == "complete" else None


def _judge_inputs(rubric: Rubric, found: Sequence[MethodAnswer]) -> list[JudgeInput]:
    """Those of the answers that need a judge."""
    return [answer.judge_input(rubric) for answer in found if answer.stage(rubric) == "judged"]


def _answers(sitting: JudgeJob, target: JudgeableRun) -> tuple[Catalog, list[MethodAnswer]]:
    dataset = target.dataset()
    cases = dataset.test.sample(target.manifest.identity["limit_users"]).sample(sitting.cases)
    found = shown.read_answers(target.run.predictions(), dataset, cases, sitting.answers)
    return dataset.catalog, list(found)


def _judge_run(
    store: Store, sitting: JudgeJob, target: JudgeableRun, emit: EventHandler, again: bool
) -> JudgeResult:
    planned, run = sitting.plan_entry, target.run
    if not again and (old := _stored_judgement(sitting, target)):
        return JudgeResult(target, planned.label, old)
    catalog, found = _answers(sitting, target)
    if not any(answer.rationale for answer in found):
        return JudgeResult(target, planned.label, None, "gives no rationales")
    title = f"{target.title} / {planned.label}"
    manifest = _make_manifest(sitting, target.manifest)
    run.write_judgement(manifest)
    emit(RunEvent("started", title))
    start = time.perf_counter()
    log = RunLog(run.log)
    try:
        context = _context(store, target, catalog, StageProgress(title, emit, log))
        verdicts = _verdicts(sitting.judge, found, context)
        table = verdict_table.build_verdict_table(found, verdicts, sitting.judge.rubric, catalog)
    except Exception as error:
        cause = error if isinstance(error, BenchkitError) else MethodError(
            f"judge {planned.label!r} raised {type(error).__name__}: {error}",
            "fix the judge and judge again",
        )  # fmt: skip
        manifest = manifest.model_copy(
            update={"status": "failed", "finished": utc_timestamp(), "error": str(cause)}
        )
        run.write_judgement(manifest)
        emit(RunEvent("failed", title, note=cause.cause))
        return JudgeResult(target, planned.label, manifest, cause.cause, computed=True)
    finally:
        log.close()
    seconds = {"seconds": round(time.perf_counter() - start, 3)}
    manifest = manifest.model_copy(
        update={
            "status": "complete",
            "finished": utc_timestamp(),
            "caveats": sitting.judge.caveats,  # some are known once it has judged
            "counts": verdict_table.count_verdicts(table),
            "cost": seconds | verdict_table.sum_usage(verdicts.values()),
        }
    )
    run.write_judgement(manifest, table)
    emit(RunEvent("complete", title, note=_note(manifest)))
    return JudgeResult(target, planned.label, manifest, computed=True)


def _make_manifest(sitting: JudgeJob, run: Manifest) -> JudgementManifest:
    rubric, planned = sitting.judge.rubric, sitting.plan_entry
    warning = same_model_warning(sitting.judge.models, run.identity.get("config", {}))
    return JudgementManifest(
        judge_id=planned.judge_id,
        run_id=run.run_id,
        suite=run.suite,
        task=run.task,
        label=planned.label,
        judge=sitting.spec.judge,
        status="started",
        rubric=rubric.model_dump(mode="json"),
        rubric_hash=rubric.hash,
        answers=sitting.answers,
        cases=sitting.cases,
        caveats=sitting.judge.caveats,
        warnings=(warning,) if warning else (),
        models=sitting.judge.models,
        identity=sitting.identity,
        provenance=collect_provenance(),
        started=utc_timestamp(),
    )


def _context(
    store: Store, target: JudgeableRun, catalog: Catalog, progress: Progress | None = None
) -> RunContext:
    """What a judge gets: the device and the threads of the run, and the store's cache."""
    identity = target.manifest.identity
    store.cache.mkdir(parents=True, exist_ok=True)
    return RunContext(
        seed=target.manifest.seed,
        catalog=catalog,
        scratch=target.run.scratch,
        progress=progress or SilentProgress(),
        cache=store.cache,
        device=identity.get("device", "cpu"),
        threads=identity.get("threads", 1),
    )


def _verdicts(judge: Judge, found: Sequence[MethodAnswer], run: RunContext) -> dict[str, Verdict]:
    """Verdicts of the answers that need a judge, by case."""
    rubric = judge.rubric
    exhibits = _judge_inputs(rubric, found)
    run.progress.start("judgements", len(exhibits))
    verdicts = {}
    for verdict in validate_verdicts(judge.judge(exhibits, run), exhibits, rubric):
        verdicts[verdict.key] = verdict
        run.progress.advance()
    return verdicts


def _note(manifest: JudgementManifest) -> str:
    listed = ", ".join(f"{count} {name}" for name, count in manifest.counts.items())
    return f"{listed}  ({manifest.cost['seconds']:.1f} s)"
