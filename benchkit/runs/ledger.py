"""The ledger of a suite: the checksum of every record that its folder should hold.

A manifest says what the files beside it are, and the ledger what the manifest is. So a folder that
was deleted, moved or put back, or a manifest edited with its checksum, is found. One line a record:

    {"path": "toys/ease/1a2b/manifest.json", "sha256": "...", "previous": null, "checksum": "..."}
"""

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from benchkit import io
from benchkit.errors import DamageError
from benchkit.files.checksums import pop_checksum, sign_record

LEDGER_FILE = "ledger.jsonl"
_RACY_SECONDS = 1.0  # a file that young can change again without a new time


@dataclass(frozen=True)
class LedgerEntry:
    """What the ledger says of one record."""

    sha256: str
    """Checksum of the record."""
    previous: str | None = None
    """Checksum of the one that is being replaced: a reader may meet either."""


_Entries = dict[str, LedgerEntry]
_memory: dict[Path, tuple[tuple[int, ...], _Entries]] = {}


class Ledger:
    """The ledger of the suite in `folder`.

    Args:
        folder: Folder of the suite in a store.
        lock: Opens a lock that other processes with this ledger use, too.
    """

    def __init__(self, folder: Path, lock: Callable[[], AbstractContextManager[object]]) -> None:
        self.path = folder / LEDGER_FILE
        self._folder, self._lock = folder, lock

    def entry(self, path: Path) -> LedgerEntry | None:
        """Return what is known of a record, None where it should not be there."""
        return self.entries().get(self._key(path))

    def entries(self) -> _Entries:
        """Return all entries by their paths in the folder; damaged lines are left out."""
        try:
            status = self.path.stat()
        except OSError:
            return {}
        stamp = (status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
        known = _memory.get(self.path)
        if known is not None and known[0] == stamp:
            return known[1]
        lines = (_parse(line) for line in self._lines())
        entries = dict(entry for entry in lines if entry is not None)
        if time.time() - max(status.st_mtime, status.st_ctime) > _RACY_SECONDS:
            _memory[self.path] = (stamp, entries)
        return entries

    def list_records(self, folder: Path) -> list[Path]:
        """Return the records that should be in a folder or below."""
        prefix = f"{self._key(folder)}/"
        return [self._folder / key for key in self.entries() if key.startswith(prefix)]

    def record(self, path: Path, sha256: str, replaces: bool = False) -> None:
        """Enter the checksum that a record is about to have.

        Args:
            path: The record.
            sha256: Its checksum.
            replaces: Whether the record of before stays until this one is there.
        """
        with self._lock():
            entries = dict(self.entries())
            old = entries.get(self._key(path))
            previous = old.sha256 if replaces and old is not None else None
            entries[self._key(path)] = LedgerEntry(sha256, previous)
            self._write(entries)

    def record_all(self, checksums: Mapping[Path, str]) -> None:
        """Enter the checksums that several records are about to have, all at once."""
        with self._lock():
            new = {self._key(path): LedgerEntry(sha256) for path, sha256 in checksums.items()}
            self._write({**self.entries(), **new})

    def forget(self, folder: Path) -> None:
        """Remove the entries of everything in a folder that is about to be emptied."""
        prefix = f"{self._key(folder)}/"
        with self._lock():
            entries = self.entries()
            remaining = {key: e for key, e in entries.items() if not key.startswith(prefix)}
            if len(remaining) < len(entries):
                self._write(remaining)

    def problems(self) -> Iterator[str]:
        """Yield the lines that are damaged."""
        for number, line in enumerate(self._lines(), start=1):
            if _parse(line) is None:
                yield f"{LEDGER_FILE}, line {number}: damaged"

    def _key(self, path: Path) -> str:
        return path.relative_to(self._folder).as_posix()

    def _lines(self) -> list[str]:
        try:
            return self.path.read_text(encoding="utf-8", errors="replace").splitlines()
        except FileNotFoundError:
            return []
        except OSError as error:
            raise DamageError(
                f"{self.path}: damaged: it cannot be read: {error.strerror}",
                "restore it from a backup; without it no run of the suite counts as complete:"
                " remove what stands there, and run the suite again",
            ) from None

    def _write(self, entries: _Entries) -> None:
        lines = []
        for path, entry in sorted(entries.items()):
            record = {"path": path, "sha256": entry.sha256, "previous": entry.previous}
            lines.append(json.dumps(sign_record(record)) + "\n")
        io.write_text(self.path, "".join(lines))


def _parse(line: str) -> tuple[str, LedgerEntry] | None:
    """Return the path and the entry of a line, None where it is damaged."""
    try:
        record = json.loads(line)
        checksum, is_right = pop_checksum(record)
        if checksum is None or not is_right:
            return None
        return record["path"], LedgerEntry(record["sha256"], record["previous"])
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None
