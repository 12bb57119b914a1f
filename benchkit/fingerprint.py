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

from benchkit.files.hub_cache import find_commit
from benchkit.files.search_order import NO_MODELS, SearchOrder, find_named, names_model

if TYPE_CHECKING:
    from pydantic import BaseModel

_CLOCK_STEP = 2_000_000_000  # nanoseconds: the coarsest clock of a file system


def hash_json(value: Mapping[str, Any]) -> str:
    """Return 16 hexadecimal digits of a canonical hash of JSON-like data."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def canonical_settings(config: "BaseModel | None") -> dict[str, Any]:
    """Return hyper-parameters as JSON, with the hash of its content in place of each file.

    A file, or a model's folder, is a `Path` or a text that names one (`find_named`). So neither its
    name nor its folder matters. A missing file has the hash None. A model on the hub has its commit
    behind its name, as far as that is known.
    """
    if config is None:
        return {}
    values = config.model_dump(mode="json")
    return {n: _hash_files(getattr(config, n), values[n], n, values) for n in values}


def canonical_values(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings that are a table as `canonical_settings` does."""
    return {n: _hash_files(value, value, n, values) for n, value in values.items()}


def _hash_files(value: Any, dumped: Any, key: str = "", table: Mapping[str, Any] = {}) -> Any:
    """Return `dumped`, the JSON form of `value`, with hashes in place of paths.

    Args:
        value: The value.
        dumped: Its JSON form.
        key: Its key.
        table: The JSON form of what it stands in.
    """
    if isinstance(value, Path):
        return {"sha256": _hash_path(value)}
    if isinstance(value, str):
        path = find_named(key, value, SearchOrder([Path()]), _kind(table))
        if path is None:
            return _add_commit(key, value, table) if names_model(key, _kind(table)) else dumped
        # Where the content has a hash of its own, comments in the file do not count.
        return "file" if f"{key}_hash" in table else {"sha256": _hash_path(path)}
    if hasattr(value, "model_dump"):
        return {n: _hash_files(getattr(value, n), dumped[n], n, dumped) for n in dumped}
    if isinstance(value, Mapping):
        return {str(n): _hash_files(v, dumped[str(n)], str(n), dumped) for n, v in value.items()}
    if isinstance(value, list | tuple):
        return [_hash_files(*pair, key, table) for pair in zip(value, dumped, strict=True)]
    return dumped


def _add_commit(key: str, name: str, table: Mapping[str, Any]) -> str:
    """Return the name of a model on the hub with the commit that it stands for.

    A backbone that another engine than one in this process asks is a name alone.
    """
    engine = table.get("engine")
    kind = _kind(engine) if isinstance(engine, Mapping) else _kind(table)
    if name in NO_MODELS or (key == "backbone" and kind in ("openai", "vllm")):
        return name
    revision = table.get("revision") if key in ("backbone", "model") else None
    commit = find_commit(name, revision)
    return f"{name}@{commit}" if commit else name


def _kind(table: Mapping[str, Any]) -> str:
    return str(table.get("kind", ""))


def _hash_path(path: Path) -> str | None:
    """Return the hash of a file, or of all files of a folder with their names in it."""
    if not path.is_dir():
        return hash_file(path)
    files = sorted(file for file in path.rglob("*") if file.is_file())
    return hash_json({file.relative_to(path).as_posix(): hash_file(file) for file in files})


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
