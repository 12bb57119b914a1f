"""What runs share in the cache of a store, carried from machine to machine.

An entry is `<kind>/<name>` in the cache: a model, the start of a training, vectors of texts. It is
named by a hash of all that decides its content, so that whoever has the name has the content. The
answers of language models lie in one table instead, whose rows are carried.
"""

from collections.abc import Collection, Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from benchkit.files.checksums import list_files
from benchkit.lm.generation_cache import CACHE_FILE, AnswerRow, GenerationCache
from benchkit.runs.cluster.archives import archive_folder, extract_archive, unpack_once

_LOCK = "lock"  # in an entry that is being made


def list_cache_entries(cache: Path) -> list[str]:
    """Return the names of the entries, the newest first."""
    paths = [path for path in cache.glob("[!.]*/[!.]*") if not path.name.endswith(".lock")]
    paths = [path for path in paths if path.is_file() or not _is_locked(path)]
    paths.sort(key=lambda path: path.stat().st_mtime_ns, reverse=True)
    return [path.relative_to(cache).as_posix() for path in paths]


def _is_locked(folder: Path) -> bool:
    if not (folder / _LOCK).exists():
        return False
    try:
        with FileLock(folder / _LOCK, timeout=0):
            return False
    except Timeout:
        return True


def measure_entry(cache: Path, name: str) -> int:
    """Return the size of an entry in bytes."""
    path = cache / name
    if path.is_file():
        return path.stat().st_size
    return sum((path / file).stat().st_size for file in list_files(path))


def pack_entries(cache: Path, known: Collection[str], room: int) -> Iterator[tuple[str, bytes]]:
    """Yield the entries that are not known yet, as archives, until the room is full.

    Args:
        cache: The folder.
        known: Names of entries that are left out.
        room: Bytes that they may have together. What does not fit is made again elsewhere.
    """
    for name in list_cache_entries(cache):
        if name in known or (size := measure_entry(cache, name)) > room:
            continue
        room -= size
        kind, _, entry = name.partition("/")
        path = cache / name
        yield name, archive_folder(path) if path.is_dir() else archive_folder(cache / kind, [entry])


def add_entry(cache: Path, name: str, data: bytes) -> None:
    """Put an entry into a cache that lacks it."""
    path = cache / name
    if path.exists():
        return
    if "." in path.name:  # a file, such as vectors.npy
        extract_archive(data, path.parent)
    else:
        unpack_once(lambda: data, path)


def collect_answers(cache: Path, since: float = 0.0) -> list[AnswerRow]:
    """Return the answers that language models have given since a moment (Unix time)."""
    if not (cache / CACHE_FILE).exists():
        return []
    table = GenerationCache(cache)
    try:
        return table.rows_since(since)
    finally:
        table.close()


def add_answers(cache: Path, rows: Collection[AnswerRow]) -> None:
    """Put answers into a cache; of two under one key the newer one stays."""
    if not rows:
        return
    table = GenerationCache(cache)
    try:
        table.add_rows(rows)
    finally:
        table.close()
