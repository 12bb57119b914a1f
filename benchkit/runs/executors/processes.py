"""Compute several runs at a time."""

from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from queue import Empty, SimpleQueue

from benchkit import io
from benchkit.errors import BenchkitError, StoreError
from benchkit.processes.launcher import Worker
from benchkit.processes.threads import limit_threads
from benchkit.runs.execution import execute_job
from benchkit.runs.executors.job_queue import JobQueue
from benchkit.runs.executors.requirements import require_importable
from benchkit.runs.job import Job, Outcome
from benchkit.runs.progress import EventHandler, RunEvent

# Polars makes system calls go on after Ctrl-C: Python would not hear of it while it waits.
_SIGNAL_INTERVAL = 0.2  # seconds


class ProcessExecutor:
    """Computes up to `workers` runs at a time, each method in a process of its own.

    A method that crashes or is killed ends its own run alone. The numbers are those of
    `InlineExecutor`, because the number of threads is fixed by the job.
    """

    def __init__(self, workers: int = 1) -> None:
        self._workers = workers

    def execute(self, jobs: Sequence[Job], emit: EventHandler) -> Iterator[Outcome]:
        """Yield each outcome as it comes; ends all processes when it is interrupted."""
        require_importable(jobs)
        if jobs:
            yield from _Execution(jobs, self._workers).outcomes(emit)


class _Execution:
    """Runs under way: a thread each, which asks and scores what a process answers."""

    def __init__(self, jobs: Sequence[Job], workers: int) -> None:
        self._threads = jobs[0].threads
        self._todo = JobQueue(jobs, workers)
        self._jobs: dict[Future[Outcome | None], Job] = {}
        self._messages: SimpleQueue[RunEvent | Future[Outcome | None]] = SimpleQueue()
        self._processes: list[Worker] = []
        self._is_cancelled = False

    def outcomes(self, emit: EventHandler) -> Iterator[Outcome]:
        """Yield each outcome as it comes."""
        pool = ThreadPoolExecutor(self._todo.most_running, thread_name_prefix="run")
        # Set for all threads at once: a limit is of the whole process.
        with limit_threads(self._threads):
            try:
                self._begin(pool)
                while self._jobs:
                    try:
                        message = self._messages.get(timeout=_SIGNAL_INTERVAL)
                    except Empty:
                        continue
                    if isinstance(message, RunEvent):
                        self._todo.note(message)
                        emit(message)
                        self._begin(pool)
                        continue
                    self._todo.end(self._jobs.pop(message))
                    outcome = message.result()
                    self._begin(pool)
                    if outcome is not None:
                        yield outcome
            finally:
                self._cancel()
                pool.shutdown(cancel_futures=True)

    def _begin(self, pool: ThreadPoolExecutor) -> None:
        """Begin runs while there is room."""
        while (job := self._todo.begin()) is not None:
            future = pool.submit(self._execute, job)
            self._jobs[future] = job
            future.add_done_callback(self._messages.put)

    def _execute(self, job: Job) -> Outcome | None:
        try:
            return execute_job(job, self._messages.put, watch=self._watch)
        except BenchkitError:
            raise
        except Exception as error:
            raise io.disk_error(error) or StoreError(
                f"{job.title}: {error!r}", "report this: it is a defect"
            ) from error

    def _watch(self, worker: Worker) -> None:
        self._processes.append(worker)
        if self._is_cancelled:
            worker.cancel()

    def _cancel(self) -> None:
        """End what is still under way; what has ended is not touched."""
        self._is_cancelled = True
        for worker in self._processes:
            worker.cancel()
