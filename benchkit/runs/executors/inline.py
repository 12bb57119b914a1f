"""Compute runs one after the other in this process."""

from collections.abc import Iterator, Sequence

from benchkit.errors import ConfigError
from benchkit.runs.execution import execute_job
from benchkit.runs.job import Job, Outcome
from benchkit.runs.progress import EventHandler, RunEvent


class InlineExecutor:
    """Computes runs here, one at a time. A run that another process computes is waited for last."""

    def __init__(self, workers: int = 1) -> None:
        if workers > 1:
            raise ConfigError(
                f"executor 'inline' computes one run at a time, not {workers}",
                "leave out --jobs, or use --executor processes",
            )

    def execute(self, jobs: Sequence[Job], emit: EventHandler) -> Iterator[Outcome]:
        """Yield the outcome of every job."""
        locked = []
        for job in jobs:
            outcome = execute_job(job, emit, wait=False)
            if outcome is None:
                emit(RunEvent("waiting", job.title, note="another process computes it"))
                locked.append(job)
            else:
                yield outcome
        for job in locked:
            if (outcome := execute_job(job, emit)) is not None:
                yield outcome
