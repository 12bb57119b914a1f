"""Hash settings and versions: what identifies a run, beside its data and code (`source_hash`)."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from functools import lru_cache
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pydantic import BaseModel


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

    It is read once in a process, while its size and time of change stay: every run asks for it.
    """
    try:
        state = path.stat()
        return _hash_content(path.resolve(), state.st_size, state.st_mtime_ns)
    except OSError:
        return None


@lru_cache(maxsize=256)
def _hash_content(path: Path, _size: int, _changed: int) -> str:
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
