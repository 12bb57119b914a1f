"""Answers of servers on disk, so that a run begun again asks only what is missing."""

import hashlib
import json
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Any

from benchkit.errors import StoreError

REQUEST_CACHE_FILE = "requests.sqlite"


def request_key(**parts: object) -> str:
    """A digest of everything that an answer depends on; the order of names does not matter."""
    text = json.dumps(parts, sort_keys=True, ensure_ascii=True, allow_nan=False)
    return hashlib.blake2b(text.encode(), digest_size=20).hexdigest()


class RequestCache:
    """A table from request keys to answers (JSON objects), in `folder/requests.sqlite`.

    Safe for threads and for several processes: of two answers to one request the first is kept,
    and `put` returns it to both. Requests themselves are not stored. Raises StoreError when the
    file cannot be read or written.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / REQUEST_CACHE_FILE
        self._lock = Lock()
        with self._errors():
            folder.mkdir(parents=True, exist_ok=True)
            # Autocommit: each answer is safe as soon as it is there.
            self._base = sqlite3.connect(
                self.path, timeout=120, isolation_level=None, check_same_thread=False
            )
            self._base.execute("PRAGMA journal_mode=WAL")
            self._base.execute("PRAGMA synchronous=NORMAL")
            self._base.execute(
                "CREATE TABLE IF NOT EXISTS answers (key TEXT PRIMARY KEY, answer TEXT NOT NULL)"
                " WITHOUT ROWID"
            )

    def get(self, key: str) -> dict[str, Any] | None:
        """The answer to a request; None if there is none yet."""
        with self._lock, self._errors():
            row = self._base.execute("SELECT answer FROM answers WHERE key = ?", (key,)).fetchone()
        return None if row is None else json.loads(row[0])

    def put(self, key: str, answer: Mapping[str, Any]) -> dict[str, Any]:
        """Keep an answer; returns the one that is kept."""
        text = json.dumps(answer, allow_nan=False)
        with self._lock, self._errors():
            self._base.execute("INSERT OR IGNORE INTO answers VALUES (?, ?)", (key, text))
            row = self._base.execute("SELECT answer FROM answers WHERE key = ?", (key,)).fetchone()
        kept: dict[str, Any] = json.loads(row[0])
        return kept

    def __len__(self) -> int:
        with self._lock, self._errors():
            return int(self._base.execute("SELECT count(*) FROM answers").fetchone()[0])

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            self._base.close()

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            raise StoreError(
                f"the cache of answers {self.path} cannot be used: {error}",
                "free space or permissions; a damaged file may be deleted, its answers are then"
                " asked again",
            ) from error
