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

from benchkit import evaluate, files, identity, registry
from benchkit.config import DecodingSpec, MethodSpec
from benchkit.data.frozen import prepared
from benchkit.data.spec import DatasetSpec
from benchkit.errors import BenchkitError, MethodError, StoreError
from benchkit.log import Emit, RunEvent, RunLog, StageProgress, now
from benchkit.protocols import ProtocolName, RunContext
from benchkit.records import Manifest
from benchkit.registry import Card
from benchkit.store import Run, Store

Overwrite = Literal["never", "failed", "always"]
_ASK = {"scored": evaluate.scored, "full": evaluate.full, "sampled": evaluate.sampled}


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
    protocols: tuple[ProtocolName, ...]
    decoding: DecodingSpec
    remarks: tuple[str, ...]
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
        config = registry.config_of(self.card, self.method.config)
        train, test = prepared(self.train, self.data), prepared(self.test, self.data)
        sampling = {"decoding": self.decoding_used} if "sampled" in self.protocols else {}
        return {
            **sampling,
            "method": self.card.target.rpartition(":")[2],
            "code": identity.code_hash(registry.source_file(self.card)),
            "harness": identity.code_hash(Path(evaluate.__file__)),
            "config": identity.settings(config),
            "packages": identity.package_versions(self.card.packages),
            "train": train.fingerprint,
            "test": test.fingerprint,
            "limit_users": self.limit_users,
            "protocols": list(self.protocols),
            "metrics": list(self.metrics),
            "popular_share": self.popular_share,
            "seed": self.seed,
            "device": self.device,
            "threads": self.threads,
        }

    @property
    def decoding_used(self) -> dict[str, float]:
        """The suite's where it is part of the identity, else one that no suite can change."""
        used = self.decoding if "sampled" in self.protocols else DecodingSpec()
        return used.model_dump()

    @property
    def run_id(self) -> str:
        return identity.digest(self.identity)

    @property
    def row_id(self) -> str:
        """The run id without the seed: the seeds of one row share it."""
        return identity.digest({k: v for k, v in self.identity.items() if k != "seed"})

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


def started_manifest(job: Job) -> Manifest:
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
        remarks=job.remarks,
        identity=job.identity,
        provenance=identity.provenance(),
        started=now(),
    )


def execute(job: Job, emit: Emit, wait: bool = True) -> Outcome | None:
    """Do the job unless it is done. None if another process is at it and `wait` is False.

    A run that raises ends as `failed`, with the cause in its manifest and the traceback in its
    log; only errors of the store itself are raised.
    """
    store = Store(job.store).create()
    run = store.run(job.suite, job.task, job.method.name, job.run_id)
    if not wait and store.held(job.run_id):
        return None
    with store.claim(job.run_id):
        old = run.manifest()
        if old is not None and not _due(old, job.overwrite):
            return Outcome(job, old, computed=False)
        run.clear()
        manifest = started_manifest(job)
        run.write_manifest(manifest)
        emit(RunEvent("started", job.title))
        log = RunLog(run.log)
        try:
            manifest = _compute(job, run, manifest, StageProgress(job.title, emit, log))
        except StoreError:
            raise  # it would strike every run: stop, and leave this one to be done again
        except Exception as error:
            log.write("failed", error=str(error), traceback=traceback.format_exc())
            cause = error if isinstance(error, BenchkitError) else _raised(error)
            manifest = manifest.model_copy(
                update={"status": "failed", "finished": now(), "error": str(cause)}
            )
            run.write_manifest(manifest)
        finally:
            log.close()
    emit(
        RunEvent(
            "failed" if manifest.status == "failed" else "complete", job.title, note=_note(manifest)
        )
    )
    return Outcome(job, manifest, computed=True)


def _due(old: Manifest, overwrite: Overwrite) -> bool:
    """Whether a run with this manifest is to be done (again)."""
    if old.status == "started":  # its lock is free, so whoever started it is gone
        return True
    return overwrite == "always" or (overwrite == "failed" and old.status == "failed")


def _compute(job: Job, run: Run, manifest: Manifest, progress: StageProgress) -> Manifest:
    train, test = prepared(job.train, job.data), prepared(job.test, job.data)
    recommender = registry.construct(job.card, registry.config_of(job.card, job.method.config))
    cache = Store(job.store).cache
    for folder in (run.scratch, run.artifacts, cache):
        with files.explained(folder):
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
        decoding=job.decoding_used,
    )
    cost: dict[str, float] = {}
    cases = test.test.sample(job.limit_users)
    metrics = evaluate.metrics_of(job.metrics, test, cases, job.popular_share)
    results = []
    with limited(job.threads, torch="torch" in job.card.packages):
        with _timed(cost, "fit_seconds"):
            recommender.fit(train.train_view(), context)
        for protocol in job.protocols:
            with _timed(cost, f"{protocol}_seconds"):
                results.append(_ASK[protocol](recommender, test, cases, metrics, context))
                if protocol == "scored":
                    results += evaluate.length_normalised(results[-1], cases, metrics)
    cost |= _stage_seconds(context)
    cost["fit_seconds"] += sum(stage.cost - stage.here for stage in context.stages.values())
    cost |= _tokens(results)
    cost["peak_memory_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    tables = {
        "metrics": pl.concat([result.metrics for result in results]),
        "predictions": evaluate.predictions_table(results, test, cases),
    }
    if not any(run.artifacts.iterdir()):
        run.artifacts.rmdir()
    done = manifest.model_copy(
        update={
            "status": "complete",
            "finished": now(),
            "cost": {name: round(value, 3) for name, value in cost.items()},
            "summary": [line for result in results for line in result.summary],
        }
    )
    run.finish(done, tables)
    return done


@contextmanager
def limited(threads: int, torch: bool) -> Iterator[None]:
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


def _tokens(results: Sequence[evaluate.Result]) -> dict[str, float]:
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
    reused = sum(stage.cost - stage.here for stage in context.stages.values())
    return costs | ({"reused_seconds": reused} if costs else {})


@contextmanager
def _timed(cost: dict[str, float], name: str) -> Iterator[None]:
    start = time.perf_counter()
    yield
    cost[name] = time.perf_counter() - start


def _raised(error: Exception) -> MethodError:
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return MethodError(
        f"it raised {type(error).__name__}: {error} ({Path(frame.filename).name}:{frame.lineno})",
        "the traceback is in the run's log.jsonl; mend the method and run again with"
        " --overwrite failed",
    )


def _note(manifest: Manifest) -> str:
    if manifest.status == "failed":
        return str(manifest.error).partition("\n")[0]
    means = [
        f"{line.metric} {line.mean:.3f}"
        for line in manifest.summary
        if line.chance is not None and line.protocol == manifest.summary[0].protocol
    ]
    asked = sum(manifest.cost.get(f"{name}_seconds", 0.0) for name in _ASK)
    reused = manifest.cost.get("reused_seconds", 0.0)
    seconds = manifest.cost["fit_seconds"] - reused + asked
    return f"{'  '.join(means[:4])}  ({seconds:.1f} s)"
