"""Write files so that a reader sees the old one or the new one, and never half of one."""

import hashlib
import json
import os
import re
import unicodedata
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchkit.errors import BenchkitError, ConfigError, StoreError
from benchkit.files.disk_faults import find_disk_fault, write_hint
from benchkit.files.temporary_files import make_temporary_file

if TYPE_CHECKING:  # methods import this module where polars must not be loaded: see processes
    import polars as pl

_is_flushing: ContextVar[bool] = ContextVar("is_flushing", default=True)
_MAX_NAME = 1000  # characters
_MAX_FOLDER_BYTES = 120  # file systems take 255; endings and temporary names need room
_ORDINARY = re.compile(r"[\w.@+ /:,()=&-]*")  # what a folder keeps, or writes as a dash


def slug(name: str) -> str:
    """Return a name as a part of a file's name: 'recbole/SASRec' -> 'recbole-SASRec'."""
    return "".join(c if c.isalnum() or c in "._@+-" else "-" for c in name)


def folder_name(name: str) -> str:
    """Return what a folder, or a file of its own, is called by a name.

    It has at most 120 bytes. A name that is longer, or has characters that are not written out,
    ends with a hash, so that two of them do not share a folder. A folder's name names itself.

    Raises:
        ConfigError: No folder inside another can be called so: `..` is the one above, and what
            begins with a dot is hidden.

    >>> folder_name("recbole/SASRec")
    'recbole-SASRec'
    >>> folder_name("★★")
    '---d36e84cc98'
    """
    if problem := _find_problem(name):
        shown = name if len(name) <= 40 else f"{name[:40]}..."
        raise ConfigError(f"the name {shown!r} {problem}; folders are called by it", "rename it")
    return _name_folder(name)


def _find_problem(name: str) -> str:
    """Return why nothing can be called `name`, "" if it can."""
    if not name.strip():
        return "is empty"
    if slug(name).startswith("."):
        return "begins with a dot"
    if len(name) > _MAX_NAME:
        return f"is longer than {_MAX_NAME} characters"
    if any(unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp") for c in name):
        return "has a character that cannot be printed"
    return ""


def _name_folder(name: str) -> str:
    stem = slug(name)
    if len(stem.encode()) <= _MAX_FOLDER_BYTES and _ORDINARY.fullmatch(name):
        return stem
    digest = hashlib.sha256(name.encode()).hexdigest()[:10]
    room = _MAX_FOLDER_BYTES - len(digest) - 1
    return f"{stem.encode()[:room].decode(errors='ignore')}-{digest}"


def find_folder_clash(names: Iterable[str]) -> tuple[str, str] | None:
    """Return the first two different names that would share a folder.

    >>> find_folder_clash(["a b", "c", "a b", "a/b"])
    ('a b', 'a/b')
    """
    by_folder: dict[str, str] = {}
    for name in names:
        if _find_problem(name):
            continue
        other = by_folder.setdefault(_name_folder(name), name)
        if other != name:
            return other, name
    return None


def write_text(path: Path, text: str) -> None:
    """Write `text` to `path` atomically."""
    with replace_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


def write_bytes(path: Path, content: bytes, mode: int = 0o644) -> None:
    """Write `content` to `path` atomically, with these permissions from the first byte on."""
    with replace_file(path, mode) as temporary:
        temporary.write_bytes(content)


def write_json(path: Path, value: Any) -> None:
    """Write `value` as indented JSON atomically."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def write_parquet(path: Path, table: "pl.DataFrame") -> None:
    """Write `table` as Parquet atomically."""
    with replace_file(path) as temporary:
        table.write_parquet(temporary, compression="zstd")


@contextmanager
def replace_file(path: Path, mode: int = 0o644) -> Iterator[Path]:
    """Give a temporary file beside `path`, which takes its place at the end of the block.

    Its name is its own, so that processes that write the same file do not meet. Where the block
    raises, `path` stays as it is, and the temporary file is removed; what a killed process left in
    the folder is removed, too (`temporary_files`).

    Raises:
        StoreError: The file cannot be written.
    """
    with wrap_io_errors(path), temporary_file(path, mode) as temporary:
        yield temporary


@contextmanager
def temporary_file(path: Path, mode: int = 0o644) -> Iterator[Path]:
    """Do as `replace_file` for a block that does more than to write: its errors stay what they are.

    Raises:
        StoreError: The file cannot be made, or not take its place.
    """
    with wrap_io_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = make_temporary_file(path.parent)
    try:
        temporary.chmod(mode)
        yield temporary
        move_into_place(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def move_into_place(source: Path, path: Path) -> None:
    """Rename a complete file to its final name, so that it survives a crash."""
    with wrap_io_errors(path):
        _flush(source)
        source.replace(path)
        _flush(path.parent)


@contextmanager
def wrap_io_errors(path: Path) -> Iterator[None]:
    """Turn an error while writing to `path` into a StoreError."""
    try:
        yield
    except BenchkitError:
        raise
    except Exception as error:
        # Polars reports a full disk either way, depending on where the write stopped.
        is_ours = isinstance(error, OSError) or type(error).__module__.startswith("polars")
        if not is_ours and find_disk_fault(error) is None:
            raise
        raise StoreError(f"cannot write {path}: {error}", write_hint(error)) from error


def disk_error(error: BaseException) -> StoreError | None:
    """Return the StoreError for an error that a disk has caused, None for any other.

    What a full disk does to a method is no failure of the method: the run is to be done again.
    """
    fault = find_disk_fault(error)
    if fault is None:
        return None
    return StoreError(f"a file cannot be written: {fault}", write_hint(fault))


@contextmanager
def leave_unflushed() -> Iterator[None]:
    """Leave it to the system when files of the block reach the disk.

    For folders that are worth nothing once their machine has stopped.
    """
    token = _is_flushing.set(False)
    try:
        yield
    finally:
        _is_flushing.reset(token)


def _flush(path: Path) -> None:
    if not _is_flushing.get():
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
