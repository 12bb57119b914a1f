"""Results of reports on disk, under hashes of all that they follow from.

An entry is a JSON file with its own checksum. One that is damaged, of another kind, or gone is
computed again, so that nothing is lost with the folder. It holds numbers and texts, never code that
is run when they are read. Where nothing can be written, everything is computed.
"""

import json
import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

from benchkit import io
from benchkit.errors import StoreError
from benchkit.files import checksums
from benchkit.report.incremental.digest import digest
from benchkit.report.incremental.environment import environment
from benchkit.runs.store import Store

MAX_BYTES = 256_000_000  # of all entries of a store
_LEFT_SHARE = 0.8  # of these, after the least recently used ones were removed
_TOUCHED_SECONDS = 3600.0  # an entry that is used says so no more often
_ENDING = ".json"

ValueT = TypeVar("ValueT")


class UnknownInputsError(Exception):
    """What a result follows from cannot be named, so that it is computed and not stored."""


class Memo:
    """Results in a folder, each under the hash of its kind, its inputs and the environment.

    Args:
        folder: Where they lie; it is made with the first one. None keeps nothing.
        max_bytes: What they may take; then the least recently used ones are removed.
    """

    def __init__(self, folder: Path | None, max_bytes: int = MAX_BYTES) -> None:
        self._folder = folder
        self._max_bytes = max_bytes
        self._unchecked = max_bytes  # bytes written since the size of the folder was looked at

    def recall(
        self,
        kind: str,
        inputs: Callable[[], Any],
        compute: Callable[[], ValueT],
        encode: Callable[[ValueT], Any],
        decode: Callable[[Any], ValueT],
    ) -> ValueT:
        """Return what `compute` returns, read from disk if it was computed of the same inputs.

        Args:
            kind: What is computed, e.g. "ranks".
            inputs: Returns all that the result depends on, of what has a `digest`, or raises
                UnknownInputsError. It is called again once the result is there, which is not
                stored if a file has changed meanwhile.
            compute: Computes the result; what it raises is not stored.
            encode: Turns the result into JSON.
            decode: Turns it back into an equal one. It may raise ValueError, TypeError, KeyError
                or IndexError for what is no such result.
        """
        key = None if self._folder is None else _find_key(kind, inputs)
        if self._folder is None or key is None:
            return compute()
        path = self._folder / f"{kind}-{key}{_ENDING}"
        entry = _read(path, kind, key)
        if entry is not None:
            with suppress(ValueError, TypeError, KeyError, IndexError, AttributeError):
                value = decode(entry["value"])
                _touch(path)
                return value
        value = compute()
        if _find_key(kind, inputs) == key:
            self._write(path, {"kind": kind, "key": key, "value": encode(value)})
        return value

    def _write(self, path: Path, entry: dict[str, Any]) -> None:
        text = json.dumps(checksums.sign_record(entry), separators=(",", ":"))
        if self._folder is None or len(text) > self._max_bytes:
            return
        try:
            with io.leave_unflushed():  # an entry that a crash cut off is found, and made again
                io.write_text(path, text)
        except (StoreError, OSError):  # a store that can only be read, a full disk
            self._folder = None
            return
        self._unchecked += len(text)
        if self._unchecked > self._max_bytes // 8:
            trim(self._folder, self._max_bytes)
            self._unchecked = 0


def store_memo(store: Store | None) -> Memo:
    """Return the results that reports of a store have computed; none without a store."""
    return Memo(None if store is None else store.report_cache)


def trim(folder: Path, max_bytes: int) -> list[Path]:
    """Remove the least recently used entries of a folder that outgrew its bound; return them."""
    entries: list[tuple[float, str, int]] = []
    with suppress(OSError):
        for entry in os.scandir(folder):
            if entry.name.endswith(_ENDING) and not entry.name.startswith("."):
                with suppress(OSError):  # another process removes, too
                    status = entry.stat(follow_symlinks=False)
                    entries.append((status.st_mtime, entry.name, status.st_size))
    total = sum(size for _, _, size in entries)
    if total <= max_bytes:
        return []
    removed = []
    for _, name, size in sorted(entries):
        if total <= _LEFT_SHARE * max_bytes:
            break
        with suppress(OSError):
            (folder / name).unlink()
            removed.append(folder / name)
        total -= size
    return removed


def _find_key(kind: str, inputs: Callable[[], Any]) -> str | None:
    with suppress(UnknownInputsError):
        return digest([kind, environment(), inputs()])
    return None


def _read(path: Path, kind: str, key: str) -> dict[str, Any] | None:
    """Return an entry, None where there is none or it is damaged."""
    try:
        entry = json.loads(path.read_text(encoding="utf-8"))
        checksum, is_right = checksums.pop_checksum(entry)
    except (OSError, ValueError, TypeError, AttributeError, RecursionError):
        return None
    if checksum is None or not is_right or (entry.get("kind"), entry.get("key")) != (kind, key):
        return None
    return entry if "value" in entry else None


def _touch(path: Path) -> None:
    with suppress(OSError):  # of a store that can only be read, or removed by another process
        if time.time() - path.stat().st_mtime > _TOUCHED_SECONDS:
            os.utime(path)
