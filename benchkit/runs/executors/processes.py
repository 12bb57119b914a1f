"""Where jobs run: in this process, or each in a fresh process of its own."""

import multiprocessing
import os
import signal
import traceback
from collections import deque
from collections.abc import Iterator, Sequence
from multiprocessing.connection import wait as wait_for
from multiprocessing.context import SpawnProcess
from typing import Any, cast

from benchkit.errors import BenchkitError, StoreError
from benchkit.runs.job import Job, Outcome, execute_job, new_manifest
from benchkit.runs.progress import EventHandler, RunEvent, utc_timestamp
from benchkit.runs.store import Store


def run_jobs(jobs: Sequence[Job], at_once: int, emit: EventHandler) -> Iterator[Outcome]:
    """Do all jobs, `at_once` at a time, and yield each outcome as it comes.

    Jobs that another benchkit is at are left for last, and then waited for. With more than one at
    a time every job has a process of its own: a crash or a kill ends one run, and the numbers are
    those of `at_once=1`, since threads are fixed by the job.
    """
    return _run_in_processes(jobs, at_once, emit) if at_once > 1 else _run_inline(jobs, emit)


def _run_inline(jobs: Sequence[Job], emit: EventHandler) -> Iterator[Outcome]:
    held = []
    for job in jobs:
        outcome = execute_job(job, emit, wait=False)
        if outcome is None:
            emit(RunEvent("waiting", job.title, note="another process is at it"))
            held.append(job)
        else:
            yield outcome
    for job in held:
        if (outcome := execute_job(job, emit)) is not None:
            yield outcome


def _run_in_processes(jobs: Sequence[Job], at_once: int, emit: EventHandler) -> Iterator[Outcome]:
    context = multiprocessing.get_context("spawn")
    todo, running = deque(jobs), dict[Any, tuple[Job, SpawnProcess]]()
    try:
        while todo or running:
            while todo and len(running) < at_once:
                job = todo.popleft()
                # A pipe each: a process that is killed while it writes cannot block the others.
                receiver, sender = context.Pipe(duplex=False)
                process = context.Process(target=_run_worker, args=(job, sender))
                process.start()
                sender.close()
                running[receiver] = (job, process)
            for receiver in cast("list[Any]", wait_for(list(running))):
                message = _receive(receiver)
                if isinstance(message, RunEvent):
                    emit(message)
                    continue
                job, process = running.pop(receiver)
                process.join()
                if isinstance(message, Exception):
                    raise message
                yield message or _record_dead_worker(job, process.exitcode, emit)
    finally:
        for _, process in running.values():
            process.terminate()
            process.join()


def _receive(receiver: Any) -> RunEvent | Outcome | Exception | None:
    """The next message of a process; None if it died without a last word."""
    try:
        message: RunEvent | Outcome | Exception = receiver.recv()
    except (EOFError, OSError):
        return None
    return message


def _run_worker(job: Job, sender: Any) -> None:
    # Set before a numerical library is imported: its pool is made at import.
    os.environ["OMP_NUM_THREADS"] = str(job.threads)
    try:
        result: Outcome | Exception | None = execute_job(job, sender.send)
    except BenchkitError as error:
        result = error
    except Exception:
        result = StoreError(f"{job.title}: {traceback.format_exc()}", "report this: it is a defect")
    sender.send(result)
    sender.close()


def _record_dead_worker(job: Job, exit_code: int | None, emit: EventHandler) -> Outcome:
    """Mark the run of a process that ended without a result."""
    cause = f"its process ended with exit code {exit_code}"
    if exit_code is not None and exit_code < 0:
        cause = f"its process was killed by signal {-exit_code}"
        cause += " (out of memory?)" if exit_code == -signal.SIGKILL else ""
    run = Store(job.store).run(job.suite, job.task, job.method.name, job.run_id)
    old = run.manifest()
    if old is not None and old.status == "complete":  # it died after its work was done
        return Outcome(job, old, computed=True)
    manifest = new_manifest(job).model_copy(
        update={"status": "failed", "finished": utc_timestamp(), "error": cause}
    )
    run.write_manifest(manifest)
    emit(RunEvent("failed", job.title, note=cause))
    return Outcome(job, manifest, computed=True)
