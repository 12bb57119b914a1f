"""Checksums of what is stored: damage is found when it is read, not after it was printed.

They find what happens to files: a flipped bit, a cut, an edit by hand. They are no signature, so
that somebody who computes them anew can pass off anything.
"""

import hashlib
import json
import shutil
import time
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from benchkit import io
from benchkit.types import Progress

CHECKSUM = "checksum"  # key of a record's own checksum
SUMS_FILE = "checksums.json"  # beside the files of a sealed folder
_RACY_SECONDS = 1.0  # a file that young can change again without a new time
_CHUNK = 1 << 20


class FileChecksum(BaseModel):
    """Size and SHA-256 of a file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    size: int
    sha256: str


_Stamp = tuple[int, int, int, int]
_known: dict[Path, tuple[_Stamp, FileChecksum]] = {}


def hash_record(record: Mapping[str, Any]) -> str:
    """Return the SHA-256 of a record as JSON, whatever the order of its keys.

    >>> hash_record({"a": 1, "b": 2.0}) == hash_record({"b": 2.0, "a": 1})
    True
    """
    text = json.dumps(record, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def sign_record(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return a record with its own checksum as the last key."""
    plain: dict[str, Any] = json.loads(json.dumps(record))  # keys and numbers as they are read back
    return {**plain, CHECKSUM: hash_record(plain)}


def pop_checksum(record: dict[str, Any]) -> tuple[str | None, bool]:
    """Take the checksum out of a record; return it, None without one, and whether it is right."""
    checksum = record.pop(CHECKSUM, None)
    return checksum, checksum is None or checksum == hash_record(record)


def checksum_file(path: Path) -> FileChecksum:
    """Return size and SHA-256 of a file, which is read once in this process unless it changes.

    Raises:
        OSError: It cannot be read.
    """
    status = path.stat()
    stamp = (status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino)
    known = _known.get(path)
    if known is not None and known[0] == stamp:
        return known[1]
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    checksum = FileChecksum(size=status.st_size, sha256=digest)
    if time.time() - max(status.st_mtime, status.st_ctime) > _RACY_SECONDS:
        _known[path] = (stamp, checksum)
    return checksum


def list_files(folder: Path, without: Collection[str] = ()) -> list[str]:
    """Return the files below a folder, by their paths in it, e.g. `artifacts/steps.jsonl`."""
    paths = (path for path in folder.rglob("*") if path.is_file() or path.is_symlink())
    names = sorted(path.relative_to(folder).as_posix() for path in paths)
    return [name for name in names if name not in without]


def find_damage(
    folder: Path, files: Mapping[str, FileChecksum], growing: Collection[str] = ()
) -> str:
    """Return what is wrong with files of a folder in words; empty where nothing is.

    Args:
        folder: The folder.
        files: What they were when they were written, by their paths in it.
        growing: Those that more may have been appended to since.
    """
    for name, expected in files.items():
        path = folder / name
        try:
            checksum = _hash_start(path, expected.size) if name in growing else checksum_file(path)
        except FileNotFoundError:
            return f"{name} is missing"
        except OSError as error:
            return f"{name} cannot be read ({error.strerror})"
        if checksum != expected:
            return f"{name} is not what was written"
    return ""


def seal_folder(folder: Path, files: Collection[str] | None = None) -> None:
    """Write the checksums of a folder's files (of all by default) beside them, in `SUMS_FILE`."""
    names = list_files(folder, without=(SUMS_FILE,)) if files is None else files
    sums = {name: checksum_file(folder / name).model_dump() for name in names}
    io.write_json(folder / SUMS_FILE, sign_record({"files": sums}))


def find_folder_damage(folder: Path) -> str:
    """Return what is wrong with a folder since `seal_folder`, in words; empty if nothing is."""
    sums = _read_sums(folder / SUMS_FILE)
    return f"{SUMS_FILE} cannot be read" if sums is None else find_damage(folder, sums)


def seal_file(path: Path, content: Path | None = None) -> None:
    """Write the checksum of a file beside it.

    Args:
        path: The file.
        content: Where it lies so far, if it has still to be moved into place.
    """
    sums = {path.name: checksum_file(content or path).model_dump()}
    io.write_json(_sum_path(path), sign_record({"files": sums}))


def find_file_damage(path: Path) -> str:
    """Return what is wrong with a file since `seal_file`, in words; empty if nothing is."""
    sums = _read_sums(_sum_path(path))
    if sums is None or sums.keys() != {path.name}:
        return f"{_sum_path(path).name} cannot be read"
    return find_damage(path.parent, sums)


def discard_damaged(path: Path, damage: str, progress: Progress) -> None:
    """Remove a stored result, and say so in the log of the run that makes it again.

    Args:
        path: The file or folder.
        damage: What is wrong with it, in words.
        progress: Of the run.
    """
    name = f"{path.parent.name}/{path.name}"
    progress.start(f"{name} is damaged ({damage}): it is made again")
    with io.wrap_io_errors(path):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def _sum_path(path: Path) -> Path:
    return path.with_name(f"{path.name}.sum.json")


def _read_sums(path: Path) -> dict[str, FileChecksum] | None:
    """Return the checksums in a file, None where they are damaged or missing."""
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        checksum, is_right = pop_checksum(record)
        if checksum is None or not is_right:
            return None
        return {name: FileChecksum(**values) for name, values in record["files"].items()}
    except (OSError, ValueError, TypeError, KeyError, AttributeError, ValidationError):
        return None


def _hash_start(path: Path, size: int) -> FileChecksum:
    """Return size and SHA-256 of the first `size` bytes, of all where there are fewer."""
    digest, left = hashlib.sha256(), size
    with path.open("rb") as file:
        while left and (part := file.read(min(left, _CHUNK))):
            digest.update(part)
            left -= len(part)
    return FileChecksum(size=size - left, sha256=digest.hexdigest())
