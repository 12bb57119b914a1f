"""Hash settings and versions: what identifies a run, beside its data and code (`source_hash`)."""

import hashlib
import json
import os
import time
from collections.abc import Iterable, Mapping
from functools import lru_cache
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pydantic import BaseModel

_CLOCK_STEP = 2_000_000_000  # nanoseconds: the coarsest clock of a file system


def hash_json(value: Mapping[str, Any]) -> str:
    """Return 16 hexadecimal digits of a canonical hash of JSON-like data."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def canonical_settings(config: "BaseModel | None") -> dict[str, Any]:
    """Return hyper-parameters as JSON, with the hash of its content in place of each file (Path).

    So neither the name of a file nor its folder matters. A missing file has the hash None.
    """
    if config is None:
        return {}
    values = config.model_dump(mode="json")
    return {name: _hash_files(getattr(config, name), values[name]) for name in values}


def _hash_files(value: Any, dumped: Any) -> Any:
    """Return `dumped`, the JSON form of `value`, with hashes in place of paths."""
    if isinstance(value, Path):
        return {"sha256": hash_file(value)}
    if hasattr(value, "model_dump"):
        return {name: _hash_files(getattr(value, name), dumped[name]) for name in dumped}
    if isinstance(value, Mapping):
        return {str(name): _hash_files(part, dumped[str(name)]) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_hash_files(*pair) for pair in zip(value, dumped, strict=True)]
    return dumped


def hash_file(path: Path) -> str | None:
    """Return the SHA-256 of a file's content, None for a file that cannot be read.

    It is read once in a process, while its state stays: every run asks for it.
    """
    try:
        state = file_state(path)
        return _hash_content(path) if state is None else _hash_unchanged(path.resolve(), state)
    except (OSError, ValueError):  # a name that no file can have
        return None


def file_state(path: Path) -> tuple[int, ...] | None:
    """Return numbers that change whenever the content of a file does; None where none are sure to.

    The size and the time of modification can stay while the content changes (a copy with its old
    time, `touch -r`). The time of the last change of the file itself (ctime) cannot be set by
    anybody, but is as coarse as the clock of the file system, and is something else on Windows.

    Raises:
        OSError: There is no such file.
    """
    state = path.stat()
    if os.name == "nt" or time.time_ns() - state.st_ctime_ns < _CLOCK_STEP:
        return None
    return state.st_size, state.st_mtime_ns, state.st_ctime_ns, state.st_ino


@lru_cache(maxsize=256)
def _hash_unchanged(path: Path, _state: tuple[int, ...]) -> str:
    return _hash_content(path)


def _hash_content(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def package_versions(distributions: Iterable[str]) -> dict[str, str | None]:
    """Return the installed version of each distribution, None where it is absent."""
    return {name: _installed_version(name) for name in distributions}


def _installed_version(distribution: str) -> str | None:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None
