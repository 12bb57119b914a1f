"""Compute runs on a cluster of Ray's, whose machines need no disk in common."""

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, NonNegativeFloat, NonNegativeInt

from benchkit.errors import BenchkitError, StoreError
from benchkit.runs.cluster.shared_stages import StageTurns, sort_by_stages
from benchkit.runs.cluster.transfer import SharedRuns, ShippedRuns, Transfer
from benchkit.runs.execution import fail_job
from benchkit.runs.executors.ray_cluster import RayCluster, TaskLostError, open_cluster
from benchkit.runs.executors.ray_engines import RayEngines
from benchkit.runs.executors.requirements import refuse_confinement, require_importable
from benchkit.runs.executors.resources import RunResources, estimate_resources
from benchkit.runs.job import Job, Outcome
from benchkit.runs.progress import EventHandler, RunEvent

_GB = 10**9
_POLL_SECONDS = 0.1
_LEAST_AT_A_TIME, _MOST_AT_A_TIME = 4, 256  # each has a lock, which is an open file


class RayConfig(BaseModel):
    """Options of the executor `ray`."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    address: str = ""
    """The cluster: "auto", "HOST:PORT" or "ray://HOST:PORT"; "local" starts one on this machine. By
    default the one that runs here or that RAY_ADDRESS names, else a local one."""
    gpus: NonNegativeFloat | None = None
    """GPUs of a run on a GPU, instead of what the method's card says; a fraction shares one."""
    memory_gb: NonNegativeFloat | None = None
    """Memory that is reserved for a run, in GB, instead of what the method's card says."""
    retries: NonNegativeInt = 5
    """How often a run begins anew whose process or machine was lost; then it counts as failed."""
    store_shared: bool = False
    """All machines see the store, the data and the answer keys under the same paths, and write the
    store themselves."""
    cache_gb: NonNegativeFloat = 4.0
    """How much of the store's shared cache (models that were trained, vectors) goes to the machines
    at most, in GB; what is larger is made again on each."""
    node_folder: Path | None = None
    """Where machines keep what they compute with, by default among their temporary files."""


class RayExecutor:
    """Computes each run as a task of Ray's, on whichever machine has room.

    Args:
        workers: Runs at a time; 1 is as many as there is room for.
        config: Options.
    """

    Config = RayConfig
    Engines = RayEngines

    def __init__(self, workers: int = 1, config: RayConfig | None = None) -> None:
        self._workers, self._config = workers, config or RayConfig()

    def execute(self, jobs: Sequence[Job], emit: EventHandler) -> Iterator[Outcome]:
        """Yield each outcome as it comes; ends all tasks when it is interrupted."""
        require_importable(jobs)
        refuse_confinement(jobs, "ray", "whoever reaches a cluster of Ray's can run code in it")
        if not jobs:
            return
        config = self._config
        room = int(config.cache_gb * _GB)
        with open_cluster(config.address, config.node_folder, room) as cluster:
            transfer: Transfer = SharedRuns()
            if not config.store_shared:
                transfer = ShippedRuns(cluster.put, jobs[0].store, room)
            yield from _Execution(jobs, cluster, transfer, self._workers, config).outcomes(emit)


@dataclass
class _Attempt:
    """A task that computes a run."""

    number: int
    job: Job
    is_started: bool = False


class _Execution:
    """Jobs that wait, and those under way."""

    def __init__(
        self,
        jobs: Sequence[Job],
        cluster: RayCluster,
        transfer: Transfer,
        workers: int,
        config: RayConfig,
    ) -> None:
        self._cluster, self._transfer, self._config = cluster, transfer, config
        self._workers = workers
        self._waiting = dict(enumerate(sort_by_stages(jobs)))
        self._attempts: dict[Any, _Attempt] = {}
        self._turns = StageTurns()
        self._losses: Counter[str] = Counter()
        self._announced: set[str] = set()
        self._count = 0

    def outcomes(self, emit: EventHandler) -> Iterator[Outcome]:
        """Yield each outcome as it comes."""
        try:
            while self._waiting or self._attempts:
                yield from self._begin(emit)
                if not self._attempts:  # other processes compute all that is left
                    time.sleep(_POLL_SECONDS if self._waiting else 0)
                    continue
                ended = self._cluster.wait([*self._attempts], _POLL_SECONDS)
                self._show_events(emit)
                for task in ended:
                    if (outcome := self._end(task, emit)) is not None:
                        yield outcome
        finally:
            self._cluster.close([*self._attempts])
            for attempt in self._attempts.values():
                self._transfer.unlock(attempt.job)

    def _begin(self, emit: EventHandler) -> Iterator[Outcome]:
        """Submit what may begin; yield the outcomes of what is done already."""
        limit = self._limit()
        running = {attempt.job.run_id for attempt in self._attempts.values()}
        for key, job in [*self._waiting.items()]:
            if len(self._attempts) >= limit:
                return
            if job.run_id in running or not self._turns.take(job):
                continue
            if not self._transfer.lock(job):
                self._turns.end(job, complete=False)
                self._announce(job, "another process computes it", emit)
                continue
            del self._waiting[key]
            if (outcome := self._find(job)) is not None:
                self._turns.end(job, complete=outcome.manifest.status == "complete")
                yield outcome
            else:
                self._submit(job, emit)
                running.add(job.run_id)

    def _limit(self) -> int:
        """Return how many tasks there may be: those that compute, and as many that are ready."""
        if self._workers > 1:
            return self._workers
        return min(_MOST_AT_A_TIME, max(_LEAST_AT_A_TIME, 2 * int(self._cluster.cpus)))

    def _find(self, job: Job) -> Outcome | None:
        try:
            outcome = self._transfer.find(job)
        except BaseException:
            self._transfer.unlock(job)
            raise
        if outcome is not None:
            self._transfer.unlock(job)
        return outcome

    def _submit(self, job: Job, emit: EventHandler) -> None:
        self._count += 1
        needs = estimate_resources(job, self._config.gpus, self._config.memory_gb)
        try:
            task = self._cluster.submit(self._transfer.pack(job), self._count, needs)
        except BaseException:
            self._transfer.unlock(job)
            raise
        self._attempts[task] = _Attempt(self._count, job)
        if not self._cluster.has_room(needs):
            self._announce(job, f"no machine has {_describe_needs(needs)} so far", emit)

    def _announce(self, job: Job, reason: str, emit: EventHandler) -> None:
        if job.run_id not in self._announced:
            self._announced.add(job.run_id)
            emit(RunEvent("waiting", job.title, note=reason))

    def _show_events(self, emit: EventHandler) -> None:
        attempts = {attempt.number: attempt for attempt in self._attempts.values()}
        for number, event in self._cluster.events():
            if attempt := attempts.get(number):  # else it has ended meanwhile
                attempt.is_started = True
                emit(event)

    def _end(self, task: Any, emit: EventHandler) -> Outcome | None:
        """Return the outcome of a task that has ended; None where its run begins anew."""
        attempt = self._attempts.pop(task)
        job = attempt.job
        try:
            try:
                result = self._cluster.fetch(task)
            except TaskLostError as error:
                return self._retry(job, str(error), emit)
            if not attempt.is_started and result.error is None:
                emit(RunEvent("started", job.title))
            outcome = self._transfer.receive(job, result, emit)
        except BenchkitError:
            self._transfer.unlock(job)
            raise
        except Exception as error:
            self._transfer.unlock(job)
            raise StoreError(f"{job.title}: {error!r}", "report this: it is a defect") from error
        self._turns.end(job, complete=outcome.manifest.status == "complete")
        return outcome

    def _retry(self, job: Job, cause: str, emit: EventHandler) -> Outcome | None:
        self._losses[job.run_id] += 1
        times = self._losses[job.run_id]
        if times <= self._config.retries:
            emit(RunEvent("waiting", job.title, note=f"it begins anew: {cause}"))
            self._submit(job, emit)
            return None
        outcome = fail_job(job, f"lost {times} times, at last: {cause}", emit)
        self._transfer.unlock(job)
        self._turns.end(job, complete=False)
        return outcome


def _describe_needs(needs: RunResources) -> str:
    parts = [f"{needs.cpus} CPUs"]
    if needs.gpus:
        parts.append(f"{needs.gpus:g} GPUs")
    if needs.memory_gb:
        parts.append(f"{needs.memory_gb:g} GB of memory")
    return " and ".join(parts)
