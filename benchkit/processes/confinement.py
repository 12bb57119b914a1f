"""Keep a process, and all that it starts, from reading and changing some folders: Linux's Landlock.

Landlock needs no privileges and cannot be undone by the process. It allows rather than forbids, so
that everything around the hidden folders is allowed, one entry at a time. Right in a folder above a
hidden one nothing can be made or removed; temporary files therefore go into the run's own folder.
"""

import ctypes
import os
import stat
from collections.abc import Sequence
from pathlib import Path

from benchkit.errors import ConfigError

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446  # on every architecture
_ASK_VERSION = 1
_WRITE_FILE, _READ_FILE, _REFER, _TRUNCATE = 1 << 1, 1 << 2, 1 << 13, 1 << 14
_CHANGE_FOLDER = sum(1 << bit for bit in range(4, 13))  # remove and make entries of every kind
_REFER_SINCE, _TRUNCATE_SINCE = 2, 3  # versions
_BENEATH = 1
_SIGNALS = 2
_WITH_SCOPES = 6  # version
_NO_NEW_PRIVILEGES = 38  # prctl


class _Ruleset(ctypes.Structure):
    _fields_ = [("files", ctypes.c_uint64), ("net", ctypes.c_uint64), ("scoped", ctypes.c_uint64)]


class _Beneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = [("access", ctypes.c_uint64), ("descriptor", ctypes.c_int32)]


def landlock_version() -> int:
    """Return the version of Landlock; 0 where the kernel has none or does not use it."""
    try:
        library = ctypes.CDLL(None, use_errno=True)
        return max(0, int(library.syscall(_CREATE_RULESET, None, 0, _ASK_VERSION)))
    except (OSError, AttributeError):
        return 0


def require_confinement() -> None:
    """Raise ConfigError where processes cannot be confined."""
    if not landlock_version():
        raise ConfigError(
            "this system cannot confine processes (Linux 5.13 or later, with Landlock)",
            "leave out --confine, and keep answer keys out of reach by permissions"
            " (docs/threat-model.md)",
        )


def hide_folders(hidden: Sequence[Path], visible: Sequence[Path]) -> None:
    """Keep this process from reading files below `hidden`, but for those below `visible`.

    Raises:
        OSError: The kernel refuses.
    """
    library = ctypes.CDLL(None, use_errno=True)
    scopes = _SIGNALS if landlock_version() >= _WITH_SCOPES else 0
    of_files, of_folders = _rights(landlock_version())
    ruleset = _Ruleset(of_files | of_folders, 0, scopes)
    size = ctypes.sizeof(_Ruleset) if scopes else ctypes.sizeof(ctypes.c_uint64)
    descriptor = _check(library.syscall(_CREATE_RULESET, ctypes.byref(ruleset), size, 0))
    try:
        targets = [path.resolve() for path in hidden]
        for path in [*_around(Path("/"), targets), *visible]:
            _allow(library, descriptor, path, of_files, of_folders)
        _check(library.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0))
        _check(library.syscall(_RESTRICT_SELF, descriptor, 0))
    finally:
        os.close(descriptor)


def _around(folder: Path, hidden: Sequence[Path]) -> list[Path]:
    """Return the largest files and folders below a folder that hold nothing hidden."""
    if folder in hidden:
        return []
    if not any(folder in path.parents for path in hidden):
        return [folder]
    paths: list[Path] = []
    for entry in os.scandir(folder):
        if not entry.is_symlink():  # what it leads to has a rule of its own
            paths += _around(Path(entry.path), hidden)
    return paths


def _rights(version: int) -> tuple[int, int]:
    """Return the rights that are taken away: those on files, and those on folders."""
    of_files = _READ_FILE | _WRITE_FILE | (_TRUNCATE if version >= _TRUNCATE_SINCE else 0)
    return of_files, _CHANGE_FOLDER | (_REFER if version >= _REFER_SINCE else 0)


def _allow(library: ctypes.CDLL, ruleset: int, path: Path, of_files: int, of_folders: int) -> None:
    try:  # a link would open what it leads to
        descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:  # gone, or not to be read anyway
        return
    try:
        kind = os.fstat(descriptor).st_mode
        if stat.S_ISLNK(kind):
            return
        rule = _Beneath(of_files | (of_folders if stat.S_ISDIR(kind) else 0), descriptor)
        _check(library.syscall(_ADD_RULE, ruleset, _BENEATH, ctypes.byref(rule), 0))
    finally:
        os.close(descriptor)


def _check(result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return int(result)
