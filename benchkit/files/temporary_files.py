"""Temporary files beside their target: a name each, and none outlives a killed process for long.

A name tells which process writes the file. So the next one to write to the folder can remove what a
process left that was killed, and no file of a process that still runs.
"""

import contextlib
import hashlib
import os
import re
import socket
import tempfile
import time
from functools import cache
from pathlib import Path

_NAME = re.compile(r"\.benchkit-(?P<host>[0-9a-f]{8})-(?P<process>\d+)-\w+\.tmp")
_OLDEST = 24 * 3600.0  # seconds; processes elsewhere cannot be asked whether they still run


def make_temporary_file(folder: Path) -> Path:
    """Create an empty file of a new name in a folder, which it sweeps of leftovers first.

    The name does not depend on that of the target, which may be as long as a name can be.
    """
    sweep_folder(folder)
    prefix = f".benchkit-{_host()}-{os.getpid()}-"
    handle, name = tempfile.mkstemp(dir=folder, prefix=prefix, suffix=".tmp")
    os.close(handle)
    return Path(name)


def sweep_folder(folder: Path) -> list[Path]:
    """Remove temporary files whose process has ended, and those a day old; return their paths."""
    removed = []
    with os.scandir(folder) as entries:
        leftovers = [entry for entry in entries if _is_leftover(entry)]
    for entry in leftovers:
        with contextlib.suppress(OSError):  # another process sweeps, too, or owns it
            Path(entry.path).unlink()
            removed.append(Path(entry.path))
    return removed


def _is_leftover(entry: os.DirEntry[str]) -> bool:
    match = _NAME.fullmatch(entry.name)
    if match is None or not entry.is_file(follow_symlinks=False):
        return False
    if match["host"] == _host() and not _is_alive(int(match["process"])):
        return True
    try:
        return time.time() - entry.stat(follow_symlinks=False).st_mtime > _OLDEST
    except OSError:  # gone meanwhile
        return False


@cache
def _host() -> str:
    """Return 8 hexadecimal digits for this machine, or container: where a process id means one."""
    try:
        namespace = Path("/proc/self/ns/pid").stat().st_ino
    except OSError:
        namespace = 0
    text = f"{socket.gethostname()} {namespace}"
    return hashlib.blake2b(text.encode(), digest_size=4).hexdigest()


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        pass
    return True
