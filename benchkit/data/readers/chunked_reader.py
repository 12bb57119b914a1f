"""A file of lines as blocks of bytes that end at a newline, unpacked and read ahead."""

import gzip
import zlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from benchkit.errors import DataError

BLOCK_BYTES = 4 << 20  # bytes: enough work for a thread, little enough to stay in its cache
MAX_LINE_BYTES = 4 << 20  # bytes
_T = TypeVar("_T")
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_GZIP = b"\x1f\x8b"
_NEWLINE = ord("\n")


def read_blocks(
    path: Path, size: int | None = None, max_line: int = MAX_LINE_BYTES
) -> Iterator[bytes]:
    """Yield the content of a file, gzipped or not, in blocks of about `size` bytes of whole lines.

    Of a line of more than `max_line` bytes that does not fit in a block, at least `max_line` + 1
    bytes are given, so that it can be told from the others without ever being held.
    Raises DataError when the file cannot be read or is a damaged archive.
    """
    with _wrap_read_errors(path), _open_maybe_gzipped(path) as file:
        yield from _read_ahead(_cut_at_newlines(file, size or BLOCK_BYTES, max_line))


def map_blocks(
    function: Callable[[bytes], _T], pieces: Iterable[bytes], workers: int
) -> Iterator[tuple[bytes, _T]]:
    """Yield each piece with what `function` makes of it, in order, on `workers` threads."""
    coming: deque[tuple[bytes, Future[_T]]] = deque()
    with ThreadPoolExecutor(workers) as pool:
        for piece in pieces:
            coming.append((piece, pool.submit(function, piece)))
            if len(coming) > workers:
                done, result = coming.popleft()
                yield done, result.result()
        for done, result in coming:
            yield done, result.result()


def read_lines_at(path: Path, numbers: NDArray[np.int64]) -> Iterator[list[bytes]]:
    """Yield the lines with the given numbers (from 1, ascending), about a block's worth at a time.

    Raises DataError when the file has fewer lines, for then it has changed since they were counted.
    """
    lines: list[bytes] = []
    at, first, size = 0, 1, 0
    for block in read_blocks(path):
        if at == len(numbers):
            break
        ends = np.flatnonzero(np.frombuffer(block, dtype=np.uint8) == _NEWLINE)
        if not block.endswith(b"\n"):
            ends = np.append(ends, len(block))
        until = int(np.searchsorted(numbers, first + len(ends)))
        wanted = numbers[at:until] - first
        starts = np.where(wanted > 0, ends[wanted - 1] + 1, 0)
        spans = zip(starts.tolist(), ends[wanted].tolist(), strict=True)
        lines += [block[start:end] for start, end in spans]
        size += int((ends[wanted] - starts).sum())
        if size > BLOCK_BYTES:
            yield lines
            lines, size = [], 0
        at, first = until, first + len(ends)
    if at < len(numbers):
        raise file_changed_error(path)
    if lines:
        yield lines


def line_numbers(rows: NDArray[np.int64], skipped: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the line number (from 1) of each row, when the lines `skipped` (ascending) gave none.

    >>> line_numbers(np.array([0, 1, 2]), np.array([2, 3]))
    array([1, 4, 5])
    """
    rows_before = skipped - np.arange(1, len(skipped) + 1)
    return rows + 1 + np.searchsorted(rows_before, rows, side="right")


def file_changed_error(path: Path) -> DataError:
    """Return the error for a second look at a file that does not find what the first one has."""
    return DataError(f"{path} has changed while it was read", "run again")


def count_lines(block: bytes) -> int:
    """Count the lines of a block; the last one may lack its newline.

    >>> count_lines(b"a\\nb\\n"), count_lines(b"a\\nb")
    (2, 2)
    """
    newlines = np.count_nonzero(np.frombuffer(block, dtype=np.uint8) == _NEWLINE)
    return int(newlines) + (not block.endswith(b"\n"))


def may_exceed_line_length(block: bytes, limit: int) -> bool:
    """Tell whether a line may be longer than `limit` bytes; False is certain."""
    # Such a line covers a whole window of half its size, and that a window holds a newline is
    # found without looking at most of its bytes.
    window = max(limit // 2, 1)
    return len(block) > limit and any(
        block.find(b"\n", start, start + window) < 0 for start in range(0, len(block), window)
    )


def _cut_at_newlines(file: BinaryIO, size: int, max_line: int) -> Iterator[bytes]:
    tail = b""
    chunk = file.read(size + len(_BYTE_ORDER_MARK)).removeprefix(_BYTE_ORDER_MARK)
    while chunk:
        cut = chunk.rfind(b"\n") + 1
        if cut:
            yield b"".join((tail, memoryview(chunk)[:cut]))  # copies once
            tail = chunk[cut:]
        else:
            tail = (tail + chunk)[: max_line + 1]
        chunk = file.read(size)
    if tail:
        yield tail


def _read_ahead(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the same pieces, the next of them read and unpacked while one is worked on."""
    source = iter(pieces)
    with ThreadPoolExecutor(1) as pool:
        coming = pool.submit(next, source, None)
        while (piece := coming.result()) is not None:
            coming = pool.submit(next, source, None)
            yield piece


def _open_maybe_gzipped(path: Path) -> BinaryIO:
    with path.open("rb") as file:
        packed = file.read(len(_GZIP)) == _GZIP
    return cast(BinaryIO, gzip.open(path) if packed else path.open("rb"))


@contextmanager
def _wrap_read_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise DataError(f"{path}: the archive is damaged: {error}", "get the file again") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error}", "check the path") from None
