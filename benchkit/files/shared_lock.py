"""A lock for a result that several runs need: one makes it, and the others say that they wait."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from benchkit.types import Progress

WAITING = "waiting for another run"
"""The stage of a run that needs what another makes. It computes nothing meanwhile, so that whoever
counts runs under way may let another one begin."""

_RESUMED = "going on"  # shown at once: the next stage may be long in showing a step


@contextmanager
def lock_shared_result(path: Path, progress: Progress) -> Iterator[None]:
    """Hold the lock `path`; while another process has it, the stage of `progress` is `WAITING`."""
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        progress.start(WAITING)
        progress.advance(0)
        lock.acquire()
        progress.start(_RESUMED)
        progress.advance(0)
    try:
        yield
    finally:
        lock.release()
