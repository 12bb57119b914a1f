"""Write files so that a reader sees the old one or the new one, and never half of one."""

import json
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import polars as pl

from benchkit.errors import ConfigError, StoreError

_MAX_NAME_BYTES = 255  # most file systems


def slug(name: str) -> str:
    """Return a name as a part of a file's name: 'recbole/SASRec' -> 'recbole-SASRec'."""
    return "".join(c if c.isalnum() or c in "._@+-" else "-" for c in name)


def folder_name(name: str) -> str:
    """Return the slug of a name that is to be a folder of its own.

    Raises:
        ConfigError: No folder inside another can be called so: `..` is the one above, and what
            begins with a dot is hidden.

    >>> folder_name("recbole/SASRec")
    'recbole-SASRec'
    """
    stem = slug(name)
    if not stem or stem.startswith("."):
        cause = "is empty" if not stem else "begins with a dot"
        raise ConfigError(f"the name {name!r} {cause}; folders are called by it", "rename it")
    if len(stem.encode()) > _MAX_NAME_BYTES:
        raise ConfigError(
            f"the name {name[:40]!r}... is longer than {_MAX_NAME_BYTES} bytes", "shorten it"
        )
    return stem


def find_folder_clash(names: Iterable[str]) -> tuple[str, str] | None:
    """Return the first two different names that would share a folder.

    >>> find_folder_clash(["a b", "c", "a b", "a/b"])
    ('a b', 'a/b')
    """
    by_folder: dict[str, str] = {}
    for name in names:
        other = by_folder.setdefault(slug(name), name)
        if other != name:
            return other, name
    return None


def write_text(path: Path, text: str) -> None:
    """Write `text` to `path` atomically."""
    _write_atomically(
        path, lambda temporary: temporary.write_text(text, encoding="utf-8", newline="\n")
    )


def write_bytes(path: Path, data: bytes, mode: int = 0o644) -> None:
    """Write `data` to `path` atomically, with these permissions from the first byte on."""
    _write_atomically(path, lambda temporary: temporary.write_bytes(data), mode)


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


def _write_atomically(path: Path, write: Callable[[Path], object], mode: int = 0o644) -> None:
    """Write under a temporary name, flush to disk, rename over `path`, flush the folder."""
    with wrap_io_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        os.close(handle)
        temporary = Path(name)
        try:
            temporary.chmod(mode)
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
