"""Which run begins next where several are computed at a time."""

import math
from collections.abc import Sequence

from benchkit.files.shared_lock import WAITING
from benchkit.runs.cluster.shared_stages import rank_by_stages, shares_stages
from benchkit.runs.job import Job
from benchkit.runs.progress import RunEvent

_RUNNING_PER_WORKER = 2  # runs that wait keep their memory


class JobQueue:
    """The runs of a call, and how many of them are under way.

    Of a task, runs whose stages serve many others come first, and among them the longest: what
    everything waits for is not left until last. A run that waits for another's stage computes
    nothing, so that a further one begins meanwhile, of those that share no stage if there is one.
    """

    def __init__(self, jobs: Sequence[Job], workers: int) -> None:
        self._workers = workers
        self.most_running = _RUNNING_PER_WORKER * workers
        """Runs under way at once, with those that wait."""
        tasks = list(dict.fromkeys(job.task for job in jobs))
        self._todo = sorted(jobs, key=lambda job: (tasks.index(job.task), *_priority(job)))
        self._running: list[str] = []
        self._waiting: set[str] = set()

    def begin(self) -> Job | None:
        """Take the next run, which is under way from now on; None if there is no room or none."""
        n_running = len(self._running)
        room = self._workers - (n_running - len(self._waiting))
        if not self._todo or room <= 0 or n_running >= self.most_running:
            return None
        choice = 0
        if self._waiting:
            independent = (i for i, job in enumerate(self._todo) if not shares_stages(job))
            choice = next(independent, 0)
        job = self._todo.pop(choice)
        self._running.append(job.title)
        return job

    def note(self, event: RunEvent) -> None:
        """Take note of an event: a run waits, or goes on."""
        if event.kind == "progress" and event.run in self._running:
            if event.stage == WAITING:
                self._waiting.add(event.run)
            else:
                self._waiting.discard(event.run)

    def end(self, job: Job) -> None:
        """Take note of a run that has ended."""
        self._running.remove(job.title)
        self._waiting.discard(job.title)


def _priority(job: Job) -> tuple[float, float]:
    """Return a key: those that share stages before others, by how many; then the longest first."""
    rank = rank_by_stages(job) if shares_stages(job) else math.inf
    seconds = None if job.expected is None else job.expected.seconds
    return rank, -math.inf if seconds is None else -seconds.value
