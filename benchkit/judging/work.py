"""Judging the runs of a suite: what is to be judged, by whom, and what is kept of it."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

from benchkit import identity, registry
from benchkit.config import JudgeSpec, JudgingSpec
from benchkit.errors import BenchkitError, ConfigError, MethodError
from benchkit.judging import exhibits as shown
from benchkit.judging import probes, recording
from benchkit.judging.checks import checked, same_model
from benchkit.judging.exhibits import Answer
from benchkit.judging.protocol import Exhibit, Judge, Verdict
from benchkit.judging.rubric import Rubric
from benchkit.judging.targets import Target
from benchkit.lm.estimate import NOTHING, Estimate
from benchkit.log import Emit, RunEvent, RunLog, SilentProgress, StageProgress, now
from benchkit.protocols import Catalog, Progress, RunContext
from benchkit.records import JudgementManifest, Manifest, PlannedJudge
from benchkit.registry import Card
from benchkit.store import Store


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
            "harness": identity.code_hash(Path(recording.__file__)),
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

    target: Target
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
    store: Store,
    targets: Sequence[Target],
    spec: JudgingSpec | None,
    emit: Emit,
    again: bool = False,
) -> Iterator[Judged]:
    """Judge every target by every judge; what is judged already is kept.

    again: judge once more what is complete or failed.
    """
    for sitting in sittings(spec):
        for target in targets:
            with store.claim(f"judge-{target.manifest.run_id}-{sitting.planned.judge_id}"):
                yield _judged(store, sitting, target, emit, again)


class Estimated(NamedTuple):
    """What judging or probing one run would take. judged: it is judged already, and stays so."""

    label: str
    target: Target
    cost: Estimate
    judged: bool = False


def estimates(
    store: Store,
    targets: Sequence[Target],
    spec: JudgingSpec,
    probe: int | None = None,
    again: bool = False,
) -> Iterator[Estimated]:
    """What each judge would ask a language model for, run by run. Nothing is asked.

    probe: estimate `probed` with so many answers, and not `judge_all`. again: as in `judge_all`.
    """
    for sitting in sittings(spec):
        for target in targets:
            if probe is None and not again and _done(sitting, target):
                yield Estimated(sitting.spec.name, target, NOTHING, judged=True)
                continue
            catalog, found = _answers(sitting, target)
            exhibits = _exhibits(sitting.judge.rubric, found)
            context = _context(store, target, catalog)
            if probe is None:
                cost = sitting.judge.estimate(exhibits, context)
            else:
                asked = exhibits[:probe]
                cost = probes.estimated(sitting.judge, asked, context, seed=context.seed)
            yield Estimated(sitting.spec.name, target, cost)


def probed(
    store: Store, targets: Sequence[Target], spec: JudgingSpec, count: int
) -> Iterator[tuple[str, pl.DataFrame]]:
    """How far each judge's grades move when what it is shown is changed: its label and the summary
    (`probes.summary`) over the first `count` judged answers of every run. Answers of several
    methods to one case of a task are one case of its interval. Nothing is recorded."""
    for sitting in sittings(spec):
        tables = []
        for target in targets:
            catalog, found = _answers(sitting, target)
            exhibits = _exhibits(sitting.judge.rubric, found)[:count]
            if exhibits:
                context = _context(store, target, catalog)
                moved = probes.run_probes(sitting.judge, exhibits, context, seed=context.seed)
                of_task = pl.concat_str(pl.lit(f"{target.manifest.task} / "), "case")
                tables.append(moved.with_columns(case=of_task))
        if tables:
            yield sitting.spec.name, probes.summary(pl.concat(tables))


def _done(sitting: Sitting, target: Target) -> JudgementManifest | None:
    """What the judge has made of the run, if it came to an end."""
    planned = sitting.planned
    old = target.run.judgement(planned.label, planned.judge_id)
    return old if old is not None and old.status == "complete" else None


def _exhibits(rubric: Rubric, found: Sequence[Answer]) -> list[Exhibit]:
    """Those of the answers that need a judge."""
    return [answer.exhibit(rubric) for answer in found if answer.stage(rubric) == "judged"]


def _answers(sitting: Sitting, target: Target) -> tuple[Catalog, list[Answer]]:
    dataset = target.dataset()
    cases = dataset.test.sample(target.manifest.identity["limit_users"]).sample(sitting.cases)
    found = shown.answers(target.run.predictions(), dataset, cases, sitting.answers)
    return dataset.catalog, list(found)


def _judged(store: Store, sitting: Sitting, target: Target, emit: Emit, again: bool) -> Judged:
    planned, run = sitting.planned, target.run
    if not again and (old := _done(sitting, target)):
        return Judged(target, planned.label, old)
    catalog, found = _answers(sitting, target)
    if not any(answer.rationale for answer in found):
        return Judged(target, planned.label, None, "gives no rationales")
    title = f"{target.title} / {planned.label}"
    manifest = _started(sitting, target.manifest)
    run.write_judgement(manifest)
    emit(RunEvent("started", title))
    start = time.perf_counter()
    log = RunLog(run.log)
    try:
        context = _context(store, target, catalog, StageProgress(title, emit, log))
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
        return Judged(target, planned.label, manifest, cause.cause, computed=True)
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
    return Judged(target, planned.label, manifest, computed=True)


def _started(sitting: Sitting, run: Manifest) -> JudgementManifest:
    rubric, planned = sitting.judge.rubric, sitting.planned
    warning = same_model(sitting.judge.models, run.identity.get("config", {}))
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
        remarks=sitting.judge.remarks,
        warnings=(warning,) if warning else (),
        models=sitting.judge.models,
        identity=sitting.identity,
        provenance=identity.provenance(),
        started=now(),
    )


def _context(
    store: Store, target: Target, catalog: Catalog, progress: Progress | None = None
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
