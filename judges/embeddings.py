"""Sentence vectors of texts, each computed once and cached on disk by itself.

`benchkit.lm.teachers.encoder.load_or_encode` stores the texts of a catalogue together, which suits
a teacher that needs all of them; a judge needs those in its inputs, and new ones each time. As a
vector is stored, it does not change by a rounding with what else is encoded beside it.
"""

import hashlib
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchkit.errors import StoreError
from benchkit.files.sqlite_check import set_aside_if_damaged
from benchkit.lm.teachers.encoder import TextEncoder

VECTORS_FILE = "text-vectors.sqlite"
_DIGEST = 16  # bytes of a checksum
_AT_ONCE = 4096  # texts encoded before they are stored
_TABLE = "CREATE TABLE IF NOT EXISTS sealed (key BLOB PRIMARY KEY, vector BLOB) WITHOUT ROWID"


def embed_texts(
    encoder: TextEncoder, texts: Iterable[str], folder: Path
) -> Mapping[str, NDArray[np.float32]]:
    """Return text -> [d] vector, from `folder` where it was computed before.

    Safe for several processes. A damaged vector is computed again, and a database that sqlite finds
    damaged is moved aside. Raises StoreError when the file cannot be read or written.
    """
    keys = {text: _key(encoder, text) for text in sorted(set(texts))}
    vectors: dict[str, NDArray[np.float32]] = {}
    damaged: list[tuple[bytes, bytes]] = []
    path = folder / VECTORS_FILE
    with _wrap_io_errors(path):
        folder.mkdir(parents=True, exist_ok=True)
        set_aside_if_damaged(path)
        base = sqlite3.connect(path, timeout=120)
    with closing(base):
        with _wrap_io_errors(path):
            base.execute("PRAGMA journal_mode=WAL")
            base.execute(_TABLE)
            for text, key in keys.items():
                row = base.execute("SELECT vector FROM sealed WHERE key = ?", (key,)).fetchone()
                if row is None:
                    continue
                content = _open_vector(key, row[0])
                if content is None:
                    damaged.append((key, row[0]))
                else:
                    vectors[text] = np.frombuffer(content, dtype="<f4")
        # Texts of one length together: the encoder pads a batch to its longest.
        missing = sorted(keys.keys() - vectors.keys(), key=lambda text: (len(text), text))
        for start in range(0, len(missing), _AT_ONCE):
            part = missing[start : start + _AT_ONCE]
            rows = np.asarray(encoder.encode(part), dtype="<f4")
            entries = [
                (keys[text], _seal_vector(keys[text], row.tobytes()))
                for text, row in zip(part, rows, strict=True)
            ]
            with _wrap_io_errors(path), base:  # one transaction
                base.executemany("DELETE FROM sealed WHERE key = ? AND vector = ?", damaged)
                base.executemany("INSERT OR IGNORE INTO sealed VALUES (?, ?)", entries)
            vectors.update(zip(part, rows, strict=True))
    return vectors


def _seal_vector(key: bytes, content: bytes) -> bytes:
    """Return a vector's bytes, and after them a checksum of its key and of them."""
    return content + hashlib.blake2b(key + content, digest_size=_DIGEST).digest()


def _open_vector(key: bytes, sealed: bytes) -> bytes | None:
    """Return a vector's bytes, None where they are not those that were written."""
    content = bytes(sealed)[:-_DIGEST]
    return content if _seal_vector(key, content) == sealed else None


def _key(encoder: TextEncoder, text: str) -> bytes:
    content = f"{encoder.name}\x1f{text}".encode("utf-8", "surrogatepass")
    return hashlib.blake2b(content, digest_size=16).digest()


@contextmanager
def _wrap_io_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        raise StoreError(
            f"the sentence vectors in {path} cannot be used: {error}",
            "free space or permissions; a damaged file may be deleted, and is then made again",
        ) from error
