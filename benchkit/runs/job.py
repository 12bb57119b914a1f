"""One run, from a picklable description to a complete folder in the store."""

import resource
import time
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import polars as pl
from threadpoolctl import threadpool_limits

from benchkit import cards, fingerprint, io
from benchkit.cards import Card
from benchkit.config.suite import DecodingSpec, MethodSpec
from benchkit.data.preparation.cache import identify_dataset, load_or_prepare
from benchkit.data.spec import DatasetSpec
from benchkit.errors import BenchkitError, MethodError, StoreError
from benchkit.evaluation.lookup import find_metric, find_protocol, source_files
from benchkit.evaluation.protocols.base import EvaluationSetup, ProtocolResult
from benchkit.evaluation.record import predictions_table
from benchkit.runs.progress import EventHandler, RunEvent, RunLog, StageProgress, utc_timestamp
from benchkit.runs.provenance import collect_provenance
from benchkit.runs.records import Manifest
from benchkit.runs.store import Run, Store
from benchkit.source_hash import hash_sources
from benchkit.types import RunContext

Overwrite = Literal["never", "failed", "always"]


@dataclass(frozen=True)
class Job:
    """Everything that a run needs; it can be sent to another process.

    protocols: those that the method is capable of.
    """

    suite: str
    task: str
    method: MethodSpec
    card: Card
    train: DatasetSpec
    test: DatasetSpec
    protocols: tuple[str, ...]
    decoding: DecodingSpec
    caveats: tuple[str, ...]
    metrics: tuple[str, ...]
    popular_share: float
    seed: int
    limit_users: int | None
    device: str
    threads: int
    store: Path
    data: Path
    overwrite: Overwrite

    @cached_property
    def identity(self) -> dict[str, Any]:
        """Everything that can change a number of this run, and nothing else."""
        config = cards.build_config(self.card, self.method.config)
        protocols = [find_protocol(spec) for spec in self.protocols]
        metrics = [find_metric(spec) for spec in self.metrics]
        sampling = {"decoding": self.effective_decoding} if self._uses_decoding else {}
        return {
            **sampling,
            **cards.identify_component(self.card, config),
            "harness": hash_sources(*source_files([*protocols, *metrics])),
            "train": identify_dataset(self.train, self.data),
            "test": identify_dataset(self.test, self.data),
            "limit_users": self.limit_users,
            "protocols": [protocol.name for protocol in protocols],
            "metrics": [metric.name for metric in metrics],
            "popular_share": self.popular_share,
            "seed": self.seed,
            "device": self.device.partition(":")[0],  # cuda, whichever of several
            "threads": self.threads,
        }

    @property
    def effective_decoding(self) -> dict[str, float]:
        """The suite's where it is part of the identity, else one that no suite can change."""
        decoding = self.decoding if self._uses_decoding else DecodingSpec()
        return decoding.model_dump()

    @property
    def _uses_decoding(self) -> bool:
        return any(find_protocol(spec).uses_decoding for spec in self.protocols)

    @property
    def run_id(self) -> str:
        return fingerprint.hash_json(self.identity)

    @property
    def row_id(self) -> str:
        """The run id without the seed: the seeds of one row share it."""
        return fingerprint.hash_json({k: v for k, v in self.identity.items() if k != "seed"})

    @property
    def title(self) -> str:
        """What the run is called on the screen."""
        return f"{self.task} / {self.method.name}" + (f" #{self.seed}" if self.seed else "")


@dataclass(frozen=True)
class Outcome:
    """How a job ended. `computed` is False for a run that was complete already."""

    job: Job
    manifest: Manifest
    computed: bool


def new_manifest(job: Job) -> Manifest:
    """The manifest of a job that begins now."""
    return Manifest(
        run_id=job.run_id,
        row_id=job.row_id,
        status="started",
        suite=job.suite,
        task=job.task,
        label=job.method.name,
        family=job.card.family,
        seed=job.seed,
        caveats=job.caveats,
        identity=job.identity,
        provenance=collect_provenance(),
        started=utc_timestamp(),
    )


def execute_job(job: Job, emit: EventHandler, wait: bool = True) -> Outcome | None:
    """Do the job unless it is done. None if another process is at it and `wait` is False.

    A run that raises ends as `failed`, with the cause in its manifest and the traceback in its
    log; only errors of the store itself are raised.
    """
    store = Store(job.store).create()
    run = store.run(job.suite, job.task, job.method.name, job.run_id)
    if not wait and store.is_locked(job.run_id):
        return None
    with store.lock(job.run_id):
        old = run.manifest()
        if old is not None and not _needs_run(old, job.overwrite):
            return Outcome(job, old, computed=False)
        run.clear()
        manifest = new_manifest(job)
        run.write_manifest(manifest)
        emit(RunEvent("started", job.title))
        log = RunLog(run.log)
        try:
            manifest = _compute_run(job, run, manifest, StageProgress(job.title, emit, log))
        except StoreError:
            raise  # it would strike every run: stop, and leave this one to be done again
        except Exception as error:
            log.write("failed", error=str(error), traceback=traceback.format_exc())
            cause = error if isinstance(error, BenchkitError) else _wrap_method_error(error)
            manifest = manifest.model_copy(
                update={"status": "failed", "finished": utc_timestamp(), "error": str(cause)}
            )
            run.write_manifest(manifest)
        finally:
            log.close()
    emit(
        RunEvent(
            "failed" if manifest.status == "failed" else "complete",
            job.title,
            note=_describe_outcome(manifest),
        )
    )
    return Outcome(job, manifest, computed=True)


def fail_job(job: Job, cause: str, emit: EventHandler) -> Outcome:
    """Mark the run of a worker that ended without an outcome as failed, and say so."""
    run = Store(job.store).run(job.suite, job.task, job.method.name, job.run_id)
    old = run.manifest()
    if old is not None and old.status == "complete":  # it ended after its work was done
        return Outcome(job, old, computed=True)
    manifest = new_manifest(job).model_copy(
        update={"status": "failed", "finished": utc_timestamp(), "error": cause}
    )
    run.write_manifest(manifest)
    emit(RunEvent("failed", job.title, note=cause))
    return Outcome(job, manifest, computed=True)


def _needs_run(old: Manifest, overwrite: Overwrite) -> bool:
    """Whether a run with this manifest is to be done (again)."""
    if old.status == "started":  # its lock is free, so whoever started it is gone
        return True
    return overwrite == "always" or (overwrite == "failed" and old.status == "failed")


def _compute_run(job: Job, run: Run, manifest: Manifest, progress: StageProgress) -> Manifest:
    train, test = load_or_prepare(job.train, job.data), load_or_prepare(job.test, job.data)
    datasets = {"train": train.fingerprint, "test": test.fingerprint}
    recommender = cards.construct_recommender(
        job.card, cards.build_config(job.card, job.method.config)
    )
    cache = Store(job.store).cache
    for folder in (run.scratch, run.artifacts, cache):
        with io.wrap_io_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
    context = RunContext(
        seed=job.seed,
        catalog=test.catalog,
        scratch=run.scratch,
        progress=progress,
        cache=cache,
        device=job.device,
        threads=job.threads,
        artifacts=run.artifacts,
        decoding=job.effective_decoding,
    )
    cost: dict[str, float] = {}
    cases = test.test.sample(job.limit_users)
    metrics = tuple(find_metric(spec) for spec in job.metrics)
    setup = EvaluationSetup(test, cases, metrics, job.popular_share)
    results: list[ProtocolResult] = []
    with limit_threads(job.threads, torch="torch" in job.card.packages):
        with _record_seconds(cost, "fit_seconds"):
            recommender.fit(train.train_view(), context)
        for protocol in (find_protocol(spec) for spec in job.protocols):
            with _record_seconds(cost, f"{protocol.name}_seconds"):
                results += protocol.evaluate(recommender, setup, context)
    cost |= _stage_seconds(context)
    cost["fit_seconds"] += sum(stage.cost - stage.seconds_here for stage in context.stages.values())
    cost |= _count_tokens(results)
    cost["peak_memory_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    tables = {
        "metrics": pl.concat([result.metrics for result in results]),
        "predictions": predictions_table(results, test, cases),
    }
    if not any(run.artifacts.iterdir()):
        run.artifacts.rmdir()
    done = manifest.model_copy(
        update={
            "status": "complete",
            "datasets": datasets,
            "finished": utc_timestamp(),
            "cost": {name: round(value, 3) for name, value in cost.items()},
            "summary": [line for result in results for line in result.summary],
        }
    )
    run.finish(done, tables)
    return done


@contextmanager
def limit_threads(threads: int, torch: bool) -> Iterator[None]:
    """Run with `threads` threads: how a sum is split over threads changes its last digits."""
    before = 0
    if torch:  # loaded here, because a later import would set its own number
        import torch as framework

        before = framework.get_num_threads()
        framework.set_num_threads(threads)
    try:
        with threadpool_limits(threads):
            yield
    finally:
        if before:
            framework.set_num_threads(before)


def _count_tokens(results: Sequence[ProtocolResult]) -> dict[str, float]:
    """Tokens of each protocol over all cases: every usage whose name ends in `_tokens` (prompt,
    completion, and candidates that were scored)."""
    found: dict[str, float] = {}
    for result in results:
        for prediction in result.predictions or ():
            for name, value in prediction.usage.items():
                if name.endswith("_tokens"):
                    key = f"{result.protocol}_tokens"
                    found[key] = found.get(key, 0.0) + value
    return found


def _stage_seconds(context: RunContext) -> dict[str, float]:
    """What each stage of `fit` takes to compute, and what was not computed here."""
    costs = {f"{name}_stage_seconds": stage.cost for name, stage in context.stages.items()}
    reused = sum(stage.cost - stage.seconds_here for stage in context.stages.values())
    return costs | ({"reused_seconds": reused} if costs else {})


@contextmanager
def _record_seconds(cost: dict[str, float], name: str) -> Iterator[None]:
    start = time.perf_counter()
    yield
    cost[name] = time.perf_counter() - start


def _wrap_method_error(error: Exception) -> MethodError:
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return MethodError(
        f"it raised {type(error).__name__}: {error} ({Path(frame.filename).name}:{frame.lineno})",
        "the traceback is in the run's log.jsonl; mend the method and run again with"
        " --overwrite failed",
    )


def _describe_outcome(manifest: Manifest) -> str:
    if manifest.status == "failed":
        return str(manifest.error).partition("\n")[0]
    means = [
        f"{line.metric} {line.mean:.3f}"
        for line in manifest.summary
        if line.chance is not None and line.protocol == manifest.summary[0].protocol
    ]
    asked = sum(
        manifest.cost.get(f"{name}_seconds", 0.0) for name in manifest.identity["protocols"]
    )
    reused = manifest.cost.get("reused_seconds", 0.0)
    seconds = manifest.cost["fit_seconds"] - reused + asked
    return f"{'  '.join(means[:4])}  ({seconds:.1f} s)"
