"""Answers of language models on disk, so that a repeated run asks only what is missing."""

import hashlib
import json
import sqlite3
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from threading import Lock
from typing import Any
from weakref import finalize

from benchkit.errors import StoreError
from benchkit.files.sqlite_check import set_aside_if_damaged

# The name is that of the first version.
CACHE_FILE = "requests.sqlite"
_STORED = "stored REAL NOT NULL DEFAULT 0"  # Unix time
_CHECKSUM = "checksum TEXT"
_oldest: ContextVar[float] = ContextVar("oldest", default=0.0)


def answer_key(**parts: object) -> str:
    """Return a digest of everything an answer depends on; the order of the names is irrelevant."""
    text = json.dumps(parts, sort_keys=True, allow_nan=False, default=str)
    return hashlib.blake2b(text.encode(), digest_size=20).hexdigest()


@contextmanager
def ask_again_since(moment: float) -> Iterator[None]:
    """Let caches that are opened in the block ignore, and replace, what was stored before a moment.

    So everything is asked again, but once: what was answered since is used.

    Args:
        moment: Unix time; 0 ignores nothing.
    """
    token = _oldest.set(moment)
    try:
        yield
    finally:
        _oldest.reset(token)


class GenerationCache:
    """A table from keys to answers (JSON objects) in `folder/requests.sqlite`.

    Threads and processes may share it: of two answers under one key the first is kept, and `put`
    returns it to both; one older than `ask_again_since` counts as none, and so does one that is not
    what was written. A file that sqlite finds damaged is moved aside. Prompts are not stored.
    Reading creates no file. All methods raise StoreError when the file cannot be read or written.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / CACHE_FILE
        self._oldest = _oldest.get()
        self._lock = Lock()
        self._connection: sqlite3.Connection | None = None

    @property
    def oldest(self) -> float:
        """The Unix time before which answers count as none; see `ask_again_since`."""
        return self._oldest

    def get(self, key: str) -> dict[str, Any] | None:
        """Return the answer under a key, None if there is none yet."""
        if self._connection is None and not self.path.exists():
            return None
        with self._database() as database:
            return self._select(database, key)

    def put(self, key: str, answer: Mapping[str, Any]) -> dict[str, Any]:
        """Store an answer unless there is one; return the stored one."""
        text = json.dumps(answer, allow_nan=False)
        now = max(time.time(), self._oldest)  # a clock that was set back
        with self._database() as database:
            database.execute(
                "DELETE FROM answers WHERE key = ? AND checksum IS NOT seal(key, answer, stored)",
                (key,),
            )
            database.execute(
                "INSERT INTO answers (key, answer, stored, checksum) VALUES (?, ?, ?, ?)"
                " ON CONFLICT (key) DO UPDATE SET answer = excluded.answer,"
                " stored = excluded.stored, checksum = excluded.checksum WHERE stored < ?",
                (key, text, now, _seal(key, text, now), self._oldest),
            )
            return self._select(database, key) or {}

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
        set_aside_if_damaged(self.path)
        # Without transactions, each answer is safe as soon as it is written.
        connection = sqlite3.connect(
            self.path, timeout=120, isolation_level=None, check_same_thread=False
        )
        finalize(self, connection.close)
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=NORMAL")
        connection.execute(
            "CREATE TABLE IF NOT EXISTS answers (key TEXT PRIMARY KEY, answer TEXT NOT NULL,"
            f" {_STORED}, {_CHECKSUM}) WITHOUT ROWID"
        )
        connection.create_function("seal", 3, _seal, deterministic=True)
        _add_column(connection, "stored", _STORED)
        _add_column(connection, "checksum", _CHECKSUM)
        return connection

    def _select(self, database: sqlite3.Connection, key: str) -> dict[str, Any] | None:
        row = database.execute(
            "SELECT answer FROM answers WHERE key = ? AND stored >= ?"
            " AND checksum = seal(key, answer, stored)",
            (key, self._oldest),
        ).fetchone()
        return None if row is None else json.loads(row[0])


def _seal(key: object, answer: object, stored: object) -> str:
    """Return the checksum of a row."""
    content = repr((key, answer, stored)).encode("utf-8", "surrogatepass")
    return hashlib.blake2b(content, digest_size=16).hexdigest()


def _add_column(connection: sqlite3.Connection, name: str, definition: str) -> None:
    """Add a column to a file of an earlier version, whose answers are taken as they are."""
    if name in _columns(connection):
        return
    connection.execute("BEGIN IMMEDIATE")  # another process may be adding it
    try:
        if name not in _columns(connection):
            connection.execute(f"ALTER TABLE answers ADD COLUMN {definition}")
            if name == "checksum":
                connection.execute("UPDATE answers SET checksum = seal(key, answer, stored)")
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise


def _columns(database: sqlite3.Connection) -> set[str]:
    return {row[1] for row in database.execute("PRAGMA table_info(answers)")}
