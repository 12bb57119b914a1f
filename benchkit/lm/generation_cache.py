"""Answers of language models on disk, so that a repeated run asks only what is missing."""

import hashlib
import json
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Any
from weakref import finalize

from benchkit.errors import StoreError

# The name is that of the first version, so that answers which were paid for then still count.
CACHE_FILE = "requests.sqlite"


def answer_key(**parts: object) -> str:
    """Return a digest of everything an answer depends on; the order of the names is irrelevant."""
    text = json.dumps(parts, sort_keys=True, allow_nan=False, default=str)
    return hashlib.blake2b(text.encode(), digest_size=20).hexdigest()


class GenerationCache:
    """A table from keys to answers (JSON objects) in `folder/requests.sqlite`.

    Threads and processes may share it: of two answers under one key the first is kept, and `put`
    returns it to both. Prompts are not stored. Reading creates no file. All methods raise
    StoreError when the file cannot be read or written.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / CACHE_FILE
        self._lock = Lock()
        self._connection: sqlite3.Connection | None = None

    def get(self, key: str) -> dict[str, Any] | None:
        """Return the answer under a key, None if there is none yet."""
        if self._connection is None and not self.path.exists():
            return None
        with self._database() as database:
            return _select(database, key)

    def put(self, key: str, answer: Mapping[str, Any]) -> dict[str, Any]:
        """Store an answer unless there is one; return the stored one."""
        text = json.dumps(answer, allow_nan=False)
        with self._database() as database:
            database.execute("INSERT OR IGNORE INTO answers VALUES (?, ?)", (key, text))
            return _select(database, key) or {}

    def __len__(self) -> int:
        with self._database() as database:
            return int(database.execute("SELECT count(*) FROM answers").fetchone()[0])

    def close(self) -> None:
        """Close the file; it is opened again when it is needed."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
            self._connection = None

    @contextmanager
    def _database(self) -> Iterator[sqlite3.Connection]:
        """Give one thread at a time the open database."""
        try:
            with self._lock:
                if self._connection is None:
                    self._connection = self._connect()
                yield self._connection
        except (sqlite3.Error, OSError) as error:
            raise StoreError(
                f"the cache of answers {self.path} cannot be used: {error}",
                "free disk space or check the permissions; a damaged file may be deleted, its"
                " answers are then asked for again",
            ) from error

    def _connect(self) -> sqlite3.Connection:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        # Without transactions, each answer is safe as soon as it is written.
        connection = sqlite3.connect(
            self.path, timeout=120, isolation_level=None, check_same_thread=False
        )
        finalize(self, connection.close)
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=NORMAL")
        connection.execute(
            "CREATE TABLE IF NOT EXISTS answers (key TEXT PRIMARY KEY, answer TEXT NOT NULL)"
            " WITHOUT ROWID"
        )
        return connection


def _select(database: sqlite3.Connection, key: str) -> dict[str, Any] | None:
    row = database.execute("SELECT answer FROM answers WHERE key = ?", (key,)).fetchone()
    return None if row is None else json.loads(row[0])
