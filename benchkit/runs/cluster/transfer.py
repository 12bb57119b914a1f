"""How runs get to other machines and back: as bytes, or through a disk that all of them have."""

import os
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from benchkit.data.answer_keys import KEYS_VARIABLE, answer_keys_folder
from benchkit.errors import BenchkitError, ConfigError, StoreError
from benchkit.key_access import ALLOW_VARIABLE
from benchkit.runs.cluster.archives import extract_archive
from benchkit.runs.cluster.file_sender import Reference
from benchkit.runs.cluster.shared_cache import add_answers, add_entry
from benchkit.runs.cluster.shipment import RunResult, Shipment, Shipper
from benchkit.runs.execution import begin_run, describe_result, execute_job, find_outcome
from benchkit.runs.job import Job, Outcome
from benchkit.runs.progress import EventHandler, RunEvent
from benchkit.runs.records import Manifest
from benchkit.runs.store import Store


@dataclass(frozen=True)
class SharedRun:
    """A job for a machine that has the same disk."""

    job: Job
    folder: Path
    """The current folder, from which relative names start."""
    environment: Mapping[str, str]


class Transfer(Protocol):
    """What an executor on other machines does with a job here, before and after it is computed."""

    def lock(self, job: Job) -> bool:
        """Lock a run; return False where another process has it."""

    def find(self, job: Job) -> Outcome | None:
        """Return the outcome of a locked run that is done already."""

    def pack(self, job: Job) -> Shipment | SharedRun:
        """Return what is sent, which says that the run is started. May be called again."""

    def receive(self, job: Job, result: RunResult, emit: EventHandler) -> Outcome:
        """Record what came back. Raises the error that ends all runs, if one came."""

    def unlock(self, job: Job) -> None:
        """Unlock a run, if it is locked."""


class ShippedRuns:
    """Runs that come back as bytes: this process alone writes the store, and has their locks.

    Args:
        put: Stores an object where other machines get it.
        store: The store.
        room: Bytes of the shared cache that are sent.
    """

    def __init__(self, put: Callable[[Any], Reference], store: Path, room: int) -> None:
        self._store = Store(store).create()
        self._shipper = Shipper(put, self._store.cache, room)
        self._locks: dict[str, ExitStack] = {}
        self._manifests: dict[str, Manifest] = {}

    def lock(self, job: Job) -> bool:
        locks = ExitStack()
        if not locks.enter_context(self._store.lock(job.run_id, wait=False)):
            return False
        self._locks[job.run_id] = locks
        return True

    def find(self, job: Job) -> Outcome | None:
        return find_outcome(job)

    def pack(self, job: Job) -> Shipment:
        if job.run_id not in self._manifests:
            self._manifests[job.run_id] = begin_run(job)
        return self._shipper.ship(job, self._manifests[job.run_id])

    def receive(self, job: Job, result: RunResult, emit: EventHandler) -> Outcome:
        _raise_error(result)
        for name, data in result.entries.items():
            add_entry(self._store.cache, name, data)
            self._shipper.add_entry(name, data)
        add_answers(self._store.cache, result.answers)
        assert result.manifest is not None  # noqa: S101 (there was no error)
        extract_archive(result.files, job.run.path)
        manifest = job.run.write_manifest(result.manifest)
        self.unlock(job)
        emit(RunEvent(manifest.status, job.title, note=describe_result(manifest)))
        return Outcome(job, manifest, computed=True)

    def unlock(self, job: Job) -> None:
        self._manifests.pop(job.run_id, None)
        if locks := self._locks.pop(job.run_id, None):
            locks.close()


class SharedRuns:
    """Runs that the other machines lock and write themselves, to a store that they see, too."""

    def lock(self, job: Job) -> bool:  # noqa: ARG002
        return True

    def find(self, job: Job) -> Outcome | None:  # noqa: ARG002
        return None

    def pack(self, job: Job) -> SharedRun:
        return share_job(job)

    def receive(self, job: Job, result: RunResult, emit: EventHandler) -> Outcome:
        _raise_error(result)
        outcome: Outcome = result.outcome
        if outcome.computed:
            note = describe_result(outcome.manifest)
            emit(RunEvent(outcome.manifest.status, job.title, note=note))
        return replace(outcome, job=job)

    def unlock(self, job: Job) -> None:
        """Do nothing: whoever computes it has the lock."""


def share_job(job: Job) -> SharedRun:
    """Return a job for a process that has the same disk, but perhaps another current folder."""
    variables = {n: v for n, v in os.environ.items() if n == ALLOW_VARIABLE}
    return SharedRun(
        job.change(store=job.store.resolve(), data=job.data.resolve()),
        Path.cwd(),
        {KEYS_VARIABLE: str(answer_keys_folder().resolve()), **variables},
    )


def compute_shared(run: SharedRun, emit: EventHandler) -> RunResult:
    """Compute a run on a machine that has the same disk; runs in a process of its own there."""
    os.environ.update(run.environment)
    os.chdir(run.folder)
    try:
        return RunResult(outcome=execute_job(run.job, emit))
    except BenchkitError as error:
        kind = "ConfigError" if isinstance(error, ConfigError) else "StoreError"
        return RunResult(error=(kind, error.cause, error.hint))


def _raise_error(result: RunResult) -> None:
    if result.error is not None:
        kind, cause, hint = result.error
        raise (ConfigError if kind == "ConfigError" else StoreError)(cause, hint)
