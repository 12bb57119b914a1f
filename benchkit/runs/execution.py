"""Compute one run: from a job to a complete folder in the store."""

import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import polars as pl

from benchkit import io
from benchkit.data.answer_keys import folders_with_answers
from benchkit.errors import BenchkitError, EngineError, MethodError, StoreError
from benchkit.evaluation.lookup import find_metric, find_protocol
from benchkit.evaluation.protocols.base import EvaluationProtocol, ProtocolResult
from benchkit.evaluation.record import predictions_table
from benchkit.evaluation.setup import EvaluationSetup
from benchkit.faults import FaultRecord, FaultTally
from benchkit.processes.launcher import Worker
from benchkit.processes.recommender import open_recommender
from benchkit.processes.threads import limit_threads
from benchkit.processes.worker import MethodStart
from benchkit.runs import costs
from benchkit.runs.estimates.expected_costs import count_spent_seconds
from benchkit.runs.estimates.history import measure_size
from benchkit.runs.job import Job, Outcome, must_compute
from benchkit.runs.progress import EventHandler, RunEvent, RunLog, StageProgress, utc_timestamp
from benchkit.runs.provenance import collect_provenance
from benchkit.runs.records import Manifest
from benchkit.runs.run_linking import link_run
from benchkit.runs.store import Run, Store
from benchkit.types import Recommender, RunContext


def execute_job(
    job: Job,
    emit: EventHandler,
    wait: bool = True,
    watch: Callable[[Worker], None] = lambda _worker: None,
) -> Outcome | None:
    """Compute the run of a job unless that is done.

    The method works in a process of its own, which this one asks, scores and records. A run that
    raises ends as `failed`, with the cause in its manifest and the traceback in its log.

    Args:
        job: What is computed.
        emit: Called with what happens.
        wait: Whether to wait for another process that computes the same run; else None is returned.
        watch: Called with the process of the method, so that it can be cancelled.

    Raises:
        StoreError: The store cannot be written, which would end every run.
    """
    store = Store(job.store).create()
    if not wait and store.is_locked(job.run_id):
        return None
    with store.lock(job.run_id):
        if (outcome := find_outcome(job)) is not None:
            return outcome
        manifest = begin_run(job)
        emit(RunEvent("started", job.title))
        manifest = compute_run(job, manifest, emit, watch)
    emit(RunEvent(manifest.status, job.title, note=describe_result(manifest)))
    return Outcome(job, manifest, computed=True)


def find_outcome(job: Job) -> Outcome | None:
    """Return the outcome of a job whose run is done, here or in another suite; else None.

    The run must be locked for this process.
    """
    old = job.run.intact_manifest()  # a damaged run is computed again
    if old is not None and not must_compute(old, job):
        return Outcome(job, old, computed=False)
    return link_run(job)


def begin_run(job: Job) -> Manifest:
    """Empty the folder of a run, and return the manifest that says that it is started."""
    manifest = _start_manifest(job, _answers_since(job.run.intact_manifest(), job))
    job.run.clear()
    return job.run.write_manifest(manifest)


def describe_planned(job: Job) -> Manifest:
    """Return the manifest of a run that is not done: what is stored of it, else a new one."""
    return job.run.intact_manifest() or _start_manifest(job)


def compute_run(
    job: Job,
    manifest: Manifest,
    emit: EventHandler,
    watch: Callable[[Worker], None] = lambda _worker: None,
) -> Manifest:
    """Compute a run that is started, and return its manifest as it was written.

    Raises:
        StoreError: The store cannot be written.
    """
    run = job.run
    log = RunLog(run.log)
    try:
        progress = StageProgress(job.title, emit, log)
        return _evaluate_method(job, run, manifest, progress, watch)
    except StoreError:
        raise  # the run stays as one that is to be computed again
    except Exception as error:
        if (fault := io.disk_error(error)) is not None:
            raise fault from error  # no failure of the method: it, too, is computed again
        log.write("failed", error=str(error), traceback=traceback.format_exc())
        cause = error if isinstance(error, BenchkitError) else _wrap_method_error(error)
        resumable = isinstance(error, EngineError)
        text = str(cause).encode(errors="backslashreplace").decode()  # half a surrogate pair
        return run.write_manifest(manifest.end("failed", error=text, resumable=resumable))
    finally:
        log.close()


def fail_job(job: Job, cause: str, emit: EventHandler) -> Outcome:
    """Record the run of a worker that ended without an outcome as failed."""
    old = job.run.intact_manifest()
    if old is not None and old.status == "complete":  # the worker ended after its work was done
        return Outcome(job, old, computed=True)
    manifest = _start_manifest(job).end("failed", error=cause)
    job.run.write_manifest(manifest)
    emit(RunEvent("failed", job.title, note=cause))
    return Outcome(job, manifest, computed=True)


def _start_manifest(job: Job, answers_since: float | None = None) -> Manifest:
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
        expected=job.expected,
        answers_since=answers_since,
    )


def _answers_since(old: Manifest | None, job: Job) -> float | None:
    """Return since when answers of language models count, None for all that are stored.

    A run that did not come to its end goes on with what it has asked.
    """
    if job.overwrite == "always":
        return time.time()
    return None if old is None or old.status == "complete" else old.answers_since


def _evaluate_method(
    job: Job,
    run: Run,
    manifest: Manifest,
    progress: StageProgress,
    watch: Callable[[Worker], None],
) -> Manifest:
    """Fit, evaluate and record; return the manifest of the complete run."""
    train, test = job.load_datasets()
    cache = Store(job.store).cache
    for folder in (run.scratch, run.artifacts, cache):
        with io.wrap_io_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
        _refuse_links(job.store, folder)
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
    start = MethodStart(
        card=job.card,
        config=job.method.config,
        seed=job.seed,
        catalog=test.catalog,
        scratch=run.scratch.resolve(),
        cache=cache.resolve(),
        artifacts=run.artifacts.resolve(),
        device=job.device,
        threads=job.threads,
        decoding=job.effective_decoding,
        answers_since=manifest.answers_since or 0.0,
    )
    seconds: dict[str, float] = {}
    cases = test.test.sample_users(job.limit_users)
    metrics = tuple(find_metric(spec) for spec in job.metrics)
    setup = EvaluationSetup(test, cases, metrics, job.popular_share, job.max_fault_share)
    protocols = [find_protocol(spec) for spec in job.protocols]
    hidden = folders_with_answers(job.store, job.data) if job.confine else ()
    with limit_threads(job.threads), open_recommender(start, watch, hidden) as recommender:
        with costs.measure_seconds(seconds, "fit_seconds"):
            recommender.fit(train.packed_train_view(), context)
        answering = cast("Recommender", recommender)  # but for the form of what `fit` gets
        results = _evaluate(protocols, answering, setup, context, seconds)
    if not any(run.artifacts.iterdir()):
        run.artifacts.rmdir()
    faults = {name: tally for name, tally in setup.faults.items() if tally.count}
    complete = manifest.end(
        "complete",
        caveats=(*manifest.caveats, *test.caveats, *_fault_caveats(faults)),
        faults=[FaultRecord.from_tally(name, tally) for name, tally in faults.items()],
        datasets={"train": train.fingerprint, "test": test.fingerprint},
        cost=costs.summarize_costs(seconds, context.stages, results, recommender.peaks),
        size=measure_size(train, test, cases),
        summary=[line for result in results for line in result.summary],
    )
    tables = {
        "metrics": pl.concat([result.metrics for result in results]),
        "predictions": predictions_table(results, test, cases),
    }
    return run.finish(complete, tables)


def _refuse_links(store: Path, folder: Path) -> None:
    """Refuse a folder of a store that has become a link: a method would see what it leads to.

    Raises:
        StoreError: It leads elsewhere.
    """
    if folder.resolve() != store.resolve() / folder.relative_to(store):
        raise StoreError(
            f"{folder}: is a link, or lies behind one, to {folder.resolve()}",
            "remove the link; to keep a store elsewhere, name its place with --out",
        )


def _evaluate(
    protocols: Sequence[EvaluationProtocol],
    recommender: Recommender,
    setup: EvaluationSetup,
    context: RunContext,
    seconds: dict[str, float],
) -> list[ProtocolResult]:
    """Ask a slice of the cases under every protocol before the next slice, and score it all.

    The whole catalogue comes first: whoever has seen the candidates of a case knows that its answer
    is one of them.
    """
    parts: dict[str, list[Any]] = {protocol.name: [] for protocol in protocols}
    if len(setup.slices) > 1:
        context.progress.start("cases", len(setup.cases) * len(protocols))
    for cases in setup.slices:
        for protocol in sorted(protocols, key=lambda protocol: protocol.ranks_candidates):
            with costs.measure_seconds(seconds, f"{protocol.name}_seconds"):
                part = protocol.collect(recommender, setup, cases, context)
            parts[protocol.name].append(part)
    results: list[ProtocolResult] = []
    for protocol in protocols:
        with costs.measure_seconds(seconds, f"{protocol.name}_seconds"):
            results += protocol.summarize(setup, parts[protocol.name], context)
    return results


def _wrap_method_error(error: Exception) -> MethodError:
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return MethodError(
        f"it raised {type(error).__name__}: {error} ({Path(frame.filename).name}:{frame.lineno})",
        "the traceback is in the run's log.jsonl; correct the method and run again with"
        " --overwrite failed",
    )


def describe_result(manifest: Manifest) -> str:
    """Return the first metrics and the seconds of a run, or why it failed, in one line."""
    if manifest.status == "failed":
        return str(manifest.error)
    means = [
        f"{line.metric} {line.mean:.3f}"
        for line in manifest.summary
        if line.chance is not None and line.protocol == manifest.summary[0].protocol
    ]
    seconds = count_spent_seconds(manifest.cost, manifest.identity["protocols"])
    faults = [
        f"  {record.faults} of {record.total} cases have faults" for record in manifest.faults
    ]
    return f"{'  '.join(means[:4])}  ({seconds:.1f} s){''.join(faults[:1])}"


def _fault_caveats(faults: Mapping[str, FaultTally]) -> Iterator[str]:
    """Yield what a reader must know of the answers that are missing, by protocol."""
    for name, tally in faults.items():
        yield f"faults of the engine, counted as misses ({name}): {tally.describe()}"
