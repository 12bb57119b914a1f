"""Judging the runs of a suite: what is to be judged, by whom, and what is kept of it."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from benchkit import identity, registry
from benchkit.config import JudgeSpec, JudgingSpec
from benchkit.data.frozen import prepared
from benchkit.errors import BenchkitError, ConfigError, MethodError
from benchkit.jobs import Job
from benchkit.judging import exhibits as shown
from benchkit.judging import recording
from benchkit.judging.checks import checked, same_model
from benchkit.judging.exhibits import Answer
from benchkit.judging.probes import run_probes, summary
from benchkit.judging.protocol import Exhibit, Judge, Verdict
from benchkit.judging.rubric import Rubric
from benchkit.lm.estimate import Estimate
from benchkit.log import Emit, RunEvent, RunLog, SilentProgress, StageProgress, now
from benchkit.protocols import Catalog, RunContext
from benchkit.records import JudgementManifest, PlannedJudge
from benchkit.registry import Card
from benchkit.store import Run, Store


@dataclass(frozen=True)
class Sitting:
    """One judge with one set of cases; the same for every run that it judges."""

    spec: JudgeSpec
    card: Card
    judge: Judge
    cases: int
    answers: shown.Source

    @property
    def identity(self) -> dict[str, Any]:
        """Everything but the run that can change a verdict."""
        config = registry.config_of(self.card, self.spec.config)
        return {
            "judge": self.card.target.rpartition(":")[2],
            "code": identity.code_hash(registry.source_file(self.card)),
            "harness": identity.code_hash(Path(shown.__file__)),
            "config": identity.settings(config),
            "packages": identity.package_versions(self.card.packages),
            "rubric": self.judge.rubric.hash,
            "cases": self.cases,
            "answers": self.answers,
        }

    @property
    def planned(self) -> PlannedJudge:
        return PlannedJudge(
            label=self.spec.name,
            judge_id=identity.digest(self.identity),
            rubric=self.judge.rubric.name,
        )


@dataclass(frozen=True)
class Judged:
    """How judging one run ended. manifest is None where there was nothing to judge, and `why`."""

    job: Job
    label: str
    manifest: JudgementManifest | None
    why: str = ""
    computed: bool = False


def sittings(spec: JudgingSpec | None) -> list[Sitting]:
    """The judges of a suite, constructed. Raises ConfigError for a judge that cannot be."""
    if spec is None:
        return []
    found = []
    for judge in spec.judges:
        card = registry.find(judge.judge, "judge")
        if card.missing:
            raise ConfigError(
                f"judge {judge.name!r} needs {', '.join(card.missing)}",
                f"pip install {' '.join(card.missing)}",
            )
        made = registry.construct_judge(card, registry.config_of(card, judge.config))
        found.append(Sitting(judge, card, made, spec.cases, spec.answers))
    return found


def judge_all(
    jobs: Sequence[Job], spec: JudgingSpec | None, emit: Emit, again: bool = False
) -> Iterator[Judged]:
    """Judge every complete run among `jobs` by every judge; what is judged already is kept.

    again: judge once more what is complete or failed.
    """
    for sitting in sittings(spec):
        for job, run in _complete(jobs):
            with Store(job.store).claim(f"judge-{job.run_id}-{sitting.planned.judge_id}"):
                yield _judged(sitting, job, run, emit, again)


def estimates(jobs: Sequence[Job], spec: JudgingSpec) -> Iterator[tuple[str, Job, Estimate]]:
    """What each judge would ask a language model for, run by run. Nothing is asked."""
    for sitting in sittings(spec):
        for job, run in _complete(jobs):
            catalog, found = _answers(sitting, job, run)
            context = _context(job, run, catalog, lambda _: None)
            shown_to = _exhibits(sitting.judge.rubric, found)
            yield sitting.spec.name, job, sitting.judge.estimate(shown_to, context)


def probed(
    jobs: Sequence[Job], spec: JudgingSpec, count: int
) -> Iterator[tuple[str, pl.DataFrame]]:
    """How far each judge's grades move when what it is shown is changed: its label and the summary
    (`probes.summary`) over the first `count` judged answers of every run. Nothing is recorded."""
    for sitting in sittings(spec):
        tables = []
        for job, run in _complete(jobs):
            catalog, found = _answers(sitting, job, run)
            exhibits = _exhibits(sitting.judge.rubric, found)[:count]
            if exhibits:
                context = _context(job, run, catalog, lambda _: None)
                tables.append(run_probes(sitting.judge, exhibits, context, seed=job.seed))
        if tables:
            yield sitting.spec.name, summary(pl.concat(tables))


def _complete(jobs: Sequence[Job]) -> Iterator[tuple[Job, Run]]:
    """The jobs whose runs are complete."""
    for job in jobs:
        run = Store(job.store).run(job.suite, job.task, job.method.name, job.run_id)
        manifest = run.manifest()
        if manifest is not None and manifest.status == "complete":
            yield job, run


def _exhibits(rubric: Rubric, found: Sequence[Answer]) -> list[Exhibit]:
    """Those of the answers that need a judge."""
    return [answer.exhibit(rubric) for answer in found if answer.stage(rubric) == "judged"]


def _answers(sitting: Sitting, job: Job, run: Run) -> tuple[Catalog, list[Answer]]:
    dataset = prepared(job.test, job.data)
    cases = dataset.test.sample(job.limit_users).sample(sitting.cases)
    found = shown.answers(run.predictions(), dataset, cases, sitting.answers)
    return dataset.catalog, list(found)


def _judged(sitting: Sitting, job: Job, run: Run, emit: Emit, again: bool) -> Judged:
    planned = sitting.planned
    old = run.judgement(planned.label, planned.judge_id)
    if old is not None and old.status == "complete" and not again:
        return Judged(job, planned.label, old)
    catalog, found = _answers(sitting, job, run)
    if not any(answer.rationale for answer in found):
        return Judged(job, planned.label, None, "gives no rationales")
    title = f"{job.title} / {planned.label}"
    manifest = _started(sitting, job)
    run.write_judgement(manifest)
    emit(RunEvent("started", title))
    start = time.perf_counter()
    log = RunLog(run.log)
    try:
        context = _context(job, run, catalog, emit, title, log)
        verdicts = _verdicts(sitting.judge, found, context)
        table = recording.table(found, verdicts, sitting.judge.rubric, catalog)
    except Exception as error:
        cause = error if isinstance(error, BenchkitError) else MethodError(
            f"judge {planned.label!r} raised {type(error).__name__}: {error}",
            "mend the judge and judge again",
        )  # fmt: skip
        manifest = manifest.model_copy(
            update={"status": "failed", "finished": now(), "error": str(cause)}
        )
        run.write_judgement(manifest)
        emit(RunEvent("failed", title, note=cause.cause))
        return Judged(job, planned.label, manifest, cause.cause, computed=True)
    finally:
        log.close()
    seconds = {"seconds": round(time.perf_counter() - start, 3)}
    manifest = manifest.model_copy(
        update={
            "status": "complete",
            "finished": now(),
            "remarks": sitting.judge.remarks,  # some are known once it has judged
            "counts": recording.counts(table),
            "cost": seconds | recording.usage(verdicts.values()),
        }
    )
    run.write_judgement(manifest, table)
    emit(RunEvent("complete", title, note=_note(manifest)))
    return Judged(job, planned.label, manifest, computed=True)


def _started(sitting: Sitting, job: Job) -> JudgementManifest:
    rubric, planned = sitting.judge.rubric, sitting.planned
    warning = same_model(sitting.judge.models, job.identity["config"])
    return JudgementManifest(
        judge_id=planned.judge_id,
        run_id=job.run_id,
        suite=job.suite,
        task=job.task,
        label=planned.label,
        judge=sitting.spec.judge,
        status="started",
        rubric=rubric.model_dump(mode="json"),
        rubric_hash=rubric.hash,
        answers=sitting.answers,
        cases=sitting.cases,
        remarks=sitting.judge.remarks,
        warnings=(warning,) if warning else (),
        models=sitting.judge.models,
        identity=sitting.identity,
        provenance=identity.provenance(),
        started=now(),
    )


def _context(
    job: Job, run: Run, catalog: Catalog, emit: Emit, title: str = "", log: RunLog | None = None
) -> RunContext:
    cache = Store(job.store).cache
    cache.mkdir(parents=True, exist_ok=True)
    return RunContext(
        seed=job.seed,
        catalog=catalog,
        scratch=run.scratch,
        progress=StageProgress(title, emit, log) if log else SilentProgress(),
        cache=cache,
        device=job.device,
        threads=job.threads,
    )


def _verdicts(judge: Judge, found: Sequence[Answer], run: RunContext) -> dict[str, Verdict]:
    """Verdicts of the answers that need a judge, by case."""
    rubric = judge.rubric
    exhibits = _exhibits(rubric, found)
    run.progress.start("judgements", len(exhibits))
    verdicts = {}
    for verdict in checked(judge.judge(exhibits, run), exhibits, rubric):
        verdicts[verdict.key] = verdict
        run.progress.advance()
    return verdicts


def _note(manifest: JudgementManifest) -> str:
    listed = ", ".join(f"{count} {name}" for name, count in manifest.counts.items())
    return f"{listed}  ({manifest.cost['seconds']:.1f} s)"
