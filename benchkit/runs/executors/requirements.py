"""What executors on other machines ask of jobs."""

from collections.abc import Sequence

from benchkit.errors import ConfigError
from benchkit.interactive import is_live
from benchkit.runs.job import Job


def require_importable(jobs: Sequence[Job]) -> None:
    """Raise ConfigError where a method is an object of this process, which no other one has."""
    for job in jobs:
        if is_live(job.card.target):
            raise ConfigError(
                f"{job.method.name!r} lives in this Python process",
                "use the executor inline, or give FILE.py:Class",
            )


def refuse_confinement(jobs: Sequence[Job], executor: str, reason: str) -> None:
    """Raise ConfigError where methods are to be confined, and an executor cannot do that.

    Args:
        jobs: The jobs.
        executor: Its name.
        reason: Why it cannot, after a colon.
    """
    if any(job.confine for job in jobs):
        raise ConfigError(
            f"executor {executor!r} cannot confine methods: {reason}",
            "leave out --confine, or use --executor processes (docs/threat-model.md)",
        )
