"""Write files so that a reader sees the old one or the new one, and never half of one."""

import hashlib
import json
import os
import re
import tempfile
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import polars as pl

from benchkit.errors import ConfigError, StoreError

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
    _write_atomically(
        path, lambda temporary: temporary.write_text(text, encoding="utf-8", newline="\n")
    )


def write_json(path: Path, value: Any) -> None:
    """Write `value` as indented JSON atomically."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def write_parquet(path: Path, table: pl.DataFrame) -> None:
    """Write `table` as Parquet atomically."""
    _write_atomically(path, lambda temporary: table.write_parquet(temporary, compression="zstd"))


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
    # Polars reports a full disk either way, depending on where the write stopped.
    except (OSError, pl.exceptions.PolarsError) as error:
        raise StoreError(
            f"cannot write {path}: {error}",
            "free disk space or choose another folder with --out, then run again: whatever was"
            " complete is kept, and no half file was left",
        ) from error


def _write_atomically(path: Path, write: Callable[[Path], object]) -> None:
    """Write under a temporary name, flush to disk, rename over `path`, flush the folder."""
    with wrap_io_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        os.close(handle)
        temporary = Path(name)
        try:
            temporary.chmod(0o644)
            write(temporary)
            _flush(temporary)
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        _flush(path.parent)


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
