"""Compute each run in a process of its own, several at a time."""

import multiprocessing
import os
import signal
import traceback
from collections import deque
from collections.abc import Iterator, Sequence
from multiprocessing.connection import wait
from multiprocessing.context import SpawnProcess
from typing import Any, cast

from benchkit import io
from benchkit.errors import BenchkitError, StoreError
from benchkit.runs.execution import execute_job, fail_job
from benchkit.runs.job import Job, Outcome
from benchkit.runs.progress import EventHandler, RunEvent


class ProcessExecutor:
    """Computes up to `workers` runs at a time.

    A process that crashes or is killed ends its own run alone. The numbers are those of
    `InlineExecutor`, because the number of threads is fixed by the job.
    """

    def __init__(self, workers: int = 1) -> None:
        self._workers = workers

    def execute(self, jobs: Sequence[Job], emit: EventHandler) -> Iterator[Outcome]:
        """Yield each outcome as it comes; ends all processes when it is interrupted."""
        context = multiprocessing.get_context("spawn")
        queue, running = deque(jobs), dict[Any, tuple[Job, SpawnProcess]]()
        try:
            while queue or running:
                while queue and len(running) < self._workers:
                    job = queue.popleft()
                    # A pipe each: a process that is killed while it writes cannot block the others.
                    receiver, sender = context.Pipe(duplex=False)
                    process = context.Process(target=_run_worker, args=(job, sender))
                    process.start()
                    sender.close()
                    running[receiver] = (job, process)
                for receiver in cast("list[Any]", wait(list(running))):
                    message = _receive(receiver)
                    if isinstance(message, RunEvent):
                        emit(message)
                        continue
                    job, process = running.pop(receiver)
                    process.join()
                    if isinstance(message, Exception):
                        raise message
                    yield message or fail_job(job, _describe_exit(process.exitcode), emit)
        finally:
            for _, process in running.values():
                process.terminate()
                process.join()


def _receive(receiver: Any) -> RunEvent | Outcome | Exception | None:
    """Return the next message of a process, None if it ended without an outcome."""
    try:
        message: RunEvent | Outcome | Exception = receiver.recv()
    except (EOFError, OSError):
        return None
    return message


def _run_worker(job: Job, sender: Any) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's, which ends this process
    # Set before a numerical library is imported: its pool is made at import.
    os.environ["OMP_NUM_THREADS"] = str(job.threads)
    try:
        result: Outcome | Exception | None = execute_job(job, sender.send)
    except BenchkitError as error:
        result = error
    except Exception as error:
        result = io.disk_error(error) or StoreError(
            f"{job.title}: {traceback.format_exc()}", "report this: it is a defect"
        )
    sender.send(result)
    sender.close()


def _describe_exit(exit_code: int | None) -> str:
    """Return why a process ended without a result."""
    if exit_code is None or exit_code >= 0:
        return f"its process ended with exit code {exit_code}"
    cause = f"its process was killed by signal {-exit_code}"
    return f"{cause} (out of memory?)" if exit_code == -signal.SIGKILL else cause
