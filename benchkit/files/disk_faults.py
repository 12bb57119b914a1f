"""Which exceptions are a disk's: it is full, over a quota, read-only or broken.

Libraries that write in other languages keep no `errno`; what is left of it stands in their words.
"""

import errno
import re
import sqlite3
from collections.abc import Iterator

from benchkit.errors import BenchkitError

DISK_ERRNOS = frozenset(
    {errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS, errno.EFBIG, errno.ESTALE}
)
_SQLITE_CODES = {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR}
# Rust (safetensors, tokenizers, polars) says "os error 28", Arrow and Python "[Errno 28]".
_ERRNO = re.compile(r"(?:os error |\[errno |\berrno:? )(\d+)", re.IGNORECASE)
_WORDS = re.compile(
    r"no space left on device|disk quota exceeded|read-only file system|file too large|"
    r"input/output error|stale file handle|database or disk is full|disk i/o error|"
    r"\b\d+ requested and \d+ written|"  # numpy
    r"PytorchStreamWriter failed writing|"
    r"inline_container\.cc.*(?:file write failed|unexpected pos)",
    re.IGNORECASE | re.DOTALL,
)
_SPACE_HINT = (
    "free disk space or choose another folder with --out, then run again: whatever was complete is"
    " kept, and no half file was left"
)
_PERMISSION_HINT = (
    "this user may not do that there: change the permissions or the owner, or choose another folder"
)
_HINTS = {
    errno.EACCES: _PERMISSION_HINT,
    errno.EPERM: _PERMISSION_HINT,
    errno.EROFS: "the file system is read-only: choose another folder with --out, then run again",
    errno.EIO: "the disk itself reports a fault: check it, or choose another folder with --out",
    errno.EDQUOT: "your disk quota is used up: delete files of yours, then run again",
    errno.EFBIG: (
        "free disk space, raise the limit on the size of files (ulimit -f) or choose another folder"
        " with --out, then run again"
    ),
    errno.ENOTDIR: "a file stands where a folder is needed: move it, or choose another folder",
    errno.EISDIR: "a folder stands where a file is needed: move it, or choose another folder",
    errno.EMFILE: "too many files are open at once (ulimit -n): raise the limit, then run again",
    errno.ENAMETOOLONG: "the name is too long for this file system: choose a shorter one",
}


def find_disk_fault(error: BaseException) -> BaseException | None:
    """Return the fault of a disk among an error, its causes and its members; None without one.

    Only what a library raises counts. An error of benchkit's own is passed over, since its words
    may be those of a server, whose disk is not ours; its causes are looked at.

    >>> find_disk_fault(RuntimeError("I/O error: No space left on device (os error 28)"))
    RuntimeError('I/O error: No space left on device (os error 28)')
    >>> find_disk_fault(FileNotFoundError(2, "No such file", "no space left on device"))
    """
    return next((member for member in _chain(error) if _is_disk_fault(member)), None)


def write_hint(error: BaseException) -> str:
    """Return what a user can do about a file that could not be written."""
    return _HINTS.get(_errno(error) or errno.ENOSPC, _SPACE_HINT)


def read_hint(error: BaseException, otherwise: str) -> str:
    """Return what a user can do about a file that could not be read.

    Args:
        error: What reading raised.
        otherwise: The advice for a file that is there, may be read, and is damaged.
    """
    number = _errno(error)
    if number in (errno.EACCES, errno.EPERM):
        return "this user may not read it: change its permissions or its owner"
    if number is not None and number in (*DISK_ERRNOS, errno.EMFILE):
        return _HINTS.get(number, "check the disk, then run again")
    return otherwise


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yield an error, its causes, the errors that were handled meanwhile, and members of groups."""
    todo, seen = [error], set[int]()
    while todo:
        member = todo.pop(0)
        if id(member) in seen:
            continue
        seen.add(id(member))
        yield member
        # `from None` hides the context from readers only.
        todo += [other for other in (member.__cause__, member.__context__) if other is not None]
        if isinstance(member, BaseExceptionGroup):
            todo += member.exceptions


def _is_disk_fault(error: BaseException) -> bool:
    if isinstance(error, BenchkitError) or not isinstance(error, Exception):
        return False
    if isinstance(error, sqlite3.Error):
        code = getattr(error, "sqlite_errorcode", None)
        if code is not None:
            return code & 0xFF in _SQLITE_CODES  # the rest of the bits says which I/O failed
    number = _errno(error)
    # An error that has a number is judged by it: its words hold the name of a file.
    return number in DISK_ERRNOS if number is not None else bool(_WORDS.search(str(error)))


def _errno(error: BaseException) -> int | None:
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno
    match = _ERRNO.search(str(error))
    return int(match[1]) if match else None
