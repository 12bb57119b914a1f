"""Whether a file is read into memory, or into columns on disk: how large it is, what is free.

What is prepared is the same either way, so none of this is part of what a dataset is.
"""

import contextlib
import os
import resource
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

from benchkit.errors import ConfigError

OUT_OF_CORE = "BENCHKIT_OUT_OF_CORE"
_SETTINGS = ("auto", "always", "never")
_SHARE = 0.5  # of the free memory that the content of a file may take
# How many times larger than its file content is, about: texts of reviews pack well.
_GROWTH = {".gz": 4, ".zst": 4, ".bz2": 5, ".xz": 5, ".parquet": 3}
_CGROUP = Path("/sys/fs/cgroup")
_scratch: ContextVar[Path | None] = ContextVar("scratch", default=None)


@contextmanager
def use_scratch_folder(folder: Path) -> Iterator[None]:
    """Let tables that outgrow memory lie in a folder, which is removed at the end.

    What a process left there that was killed is removed first.
    """
    shutil.rmtree(folder, ignore_errors=True)
    token = _scratch.set(folder)
    try:
        yield
    finally:
        _scratch.reset(token)
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def keep_in_memory() -> Iterator[None]:
    """Read what is read meanwhile into memory, however large it is."""
    token = _scratch.set(None)
    try:
        yield
    finally:
        _scratch.reset(token)


def choose_folder(path: Path) -> Path | None:
    """Return where the table of a file goes on disk, None if it goes into memory.

    Raises:
        ConfigError: The variable BENCHKIT_OUT_OF_CORE is none of auto, always and never.
    """
    setting = os.environ.get(OUT_OF_CORE, "auto") or "auto"
    if setting not in _SETTINGS:
        raise ConfigError(f"{OUT_OF_CORE} is {setting!r}", f"use one of {', '.join(_SETTINGS)}")
    folder = _scratch.get()
    if folder is None or setting == "never":
        return None
    if setting == "auto" and estimate_size(path) <= _SHARE * available_memory():
        return None
    return folder


def estimate_size(path: Path) -> int:
    """Return about how many bytes the content of a file has, unpacked."""
    with contextlib.suppress(OSError):
        return path.stat().st_size * _GROWTH.get(path.suffix.lower(), 1)
    return 0


def available_memory() -> int:
    """Return how many bytes this process may still take: of the machine, or of its limits."""
    limits = [_free_of_machine()]
    soft, _ = resource.getrlimit(resource.RLIMIT_AS)
    if soft != resource.RLIM_INFINITY:
        limits.append(soft - _size_of_process())
    with contextlib.suppress(OSError, ValueError, KeyError):  # "max" where there is no limit
        limit = int((_CGROUP / "memory.max").read_text(encoding="ascii"))
        stat = (_CGROUP / "memory.stat").read_text(encoding="ascii").splitlines()
        limits.append(limit - int(dict(line.split() for line in stat)["anon"]))
    return max(0, min(limits))


def _size_of_process() -> int:
    with contextlib.suppress(OSError, ValueError):
        pages = Path("/proc/self/statm").read_text(encoding="ascii").split()[0]
        return int(pages) * os.sysconf("SC_PAGE_SIZE")
    return 0


def _free_of_machine() -> int:
    with contextlib.suppress(OSError, ValueError, IndexError):
        for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
