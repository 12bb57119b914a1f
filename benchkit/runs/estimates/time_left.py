"""How far a suite is, and about how long the rest of it takes."""

import time
from collections.abc import Callable, Sequence

from benchkit.runs.estimates.plan_costs import count_workers
from benchkit.runs.job import Job
from benchkit.runs.progress import RunEvent


class SuiteClock:
    """Counts the runs of a suite as they end, and extrapolates from them.

    A run that is left is expected to take what earlier runs on record say, and where there are
    none, what the runs of this call took on average. The mean is over all that have ended; a
    method that is much slower than those before it shows only once it is known.
    """

    def __init__(
        self,
        name: str,
        n_runs: int,
        todo: Sequence[Job],
        workers: int,
        here: bool = True,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Begin to count.

        Args:
            name: The suite.
            n_runs: All its runs.
            todo: The runs that are computed now, with what they are expected to cost.
            workers: Runs at a time; 1 on a cluster is as many as have room.
            here: Whether they are computed on this machine.
            clock: Seconds from any moment on.
        """
        self._name, self._n_runs, self._clock = name, n_runs, clock
        self._open = [(job.run_id, _expected_seconds(job)) for job in todo]
        self._n_todo, self._start = len(todo), clock()
        if here and todo:
            workers = count_workers(workers, todo[0].threads)
        self._workers = min(workers, max(1, len(todo)))

    def event(self) -> RunEvent:
        """Return how far the suite is."""
        done = self._n_runs - len(self._open)
        return RunEvent("suite", self._name, "", done, self._n_runs, seconds_left=self._left())

    def finish(self, run_id: str) -> RunEvent:
        """Take note of a run that has ended, and return how far the suite is."""
        place = next((i for i, (name, _) in enumerate(self._open) if name == run_id), None)
        if place is not None:
            del self._open[place]
        return self.event()

    def _left(self) -> float | None:
        """Return the seconds that are left, None while nothing says it."""
        n_done = self._n_todo - len(self._open)
        mean = None
        if n_done:
            mean = (self._clock() - self._start) * min(self._workers, n_done) / n_done
        seconds = [mean if expected is None else expected for _, expected in self._open]
        known = [value for value in seconds if value is not None]
        return sum(known) / self._workers if len(known) == len(seconds) else None


def _expected_seconds(job: Job) -> float | None:
    seconds = None if job.expected is None else job.expected.seconds
    return None if seconds is None else seconds.value
