"""What a run needs of a machine."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from benchkit.runs.job import Job


@dataclass(frozen=True)
class RunResources:
    """What is reserved for one run, on one machine."""

    cpus: int
    gpus: float
    memory_gb: float
    processes: int
    """Processes that its training uses."""


def estimate_resources(
    job: Job, gpus: float | None = None, memory_gb: float | None = None
) -> RunResources:
    """Return what a run needs: its threads, and where it runs on GPUs one for each process.

    Args:
        job: The run.
        gpus: GPUs of a process that runs on one, instead of what the card says; may be a fraction.
        memory_gb: Memory of a run, instead of what the card says.
    """
    processes = _count_processes(job.component.get("config", {}))
    share = 0.0
    if job.identity["device"] == "cuda":
        share = job.card.gpus if gpus is None else gpus
        if processes > 1:
            share = max(1.0, share) * processes
    memory = job.card.memory_gb if memory_gb is None else memory_gb
    return RunResources(job.threads * processes, share, memory, processes)


def _count_processes(settings: Any) -> int:
    """Return the most processes that any training of these settings uses."""
    if isinstance(settings, Mapping):
        value = settings.get("processes")
        here = value if isinstance(value, int) else 1
        return max([here, *map(_count_processes, settings.values())])
    if isinstance(settings, list | tuple):
        return max([1, *map(_count_processes, settings)])
    return 1
