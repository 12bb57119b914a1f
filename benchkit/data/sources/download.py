"""Downloads that resume: a dropped connection costs nothing but the bytes on the wire.

The standard library does it in a hundred lines; there is no call for an HTTP client here.
"""

import hashlib
import http.client
import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchkit import io
from benchkit.data.sources.remote_files import RemoteFile
from benchkit.errors import DataError
from benchkit.types import Progress

_BLOCK = 1 << 20
_ATTEMPTS = 5  # in a row without a byte; any progress begins the count anew
_TIMEOUT = 60.0
_LONGEST_PAUSE = 30.0
_MAGIC = {".gz": b"\x1f\x8b", ".zip": b"PK"}
CONNECTION_ERRORS = (urllib.error.URLError, http.client.HTTPException, OSError)


class UnreachableError(Exception):
    """The server could not be reached, time after time."""


def download_file(
    remote: RemoteFile,
    path: Path,
    progress: Progress | None = None,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Download to `path`, going on from NAME.part where an earlier attempt left one.

    Raises:
        DataError: The server does not have the file, or it is not what was published.
        UnreachableError: There was no connection, time after time; what has come is kept.
    """
    part = part_path(path)
    failures, announced = 0, False
    while True:
        before = _size(part)
        try:
            with _open_remainder(remote.url, part) as response:
                total = _align_part_file(response, part)
                total = remote.size if total is None else total
                if progress and not announced:
                    progress.start(path.name, total)
                    progress.advance(_size(part))
                    announced = True
                _copy(response, part, progress)
            if total is None or _size(part) == total:
                break
            raise http.client.IncompleteRead(b"")
        except urllib.error.HTTPError as error:
            if error.code == 416:  # nothing follows what we have: it is whole, or another file
                if _size(part) == _length_after(error.headers.get("Content-Range")):
                    break
                part.unlink(missing_ok=True)
            elif error.code < 500 and error.code != 429:
                raise DataError(
                    f"{remote.url}: the server says {error.code} {error.reason}",
                    "check the name of the dataset, or get the file by hand and use --from DIR",
                ) from None
            failures = _count_failure(failures, error)
            sleep(_pause(failures, error.headers.get("Retry-After")))
        except CONNECTION_ERRORS as error:
            failures = _count_failure(0 if _size(part) > before else failures, error)
            sleep(_pause(failures, None))
    verify_download(part, remote, path)
    io.move_into_place(part, path)
    _etag_path(part).unlink(missing_ok=True)


def verify_download(candidate: Path, remote: RemoteFile, path: Path) -> None:
    """Raise DataError, and keep the file aside, when `candidate` is not what was published."""
    magic = _MAGIC.get(path.suffix)
    with candidate.open("rb") as file:
        begins = file.read(2)
    if magic and begins != magic:
        raise _quarantine(
            candidate, path, remote, f"it is no {path.suffix} file (a page of the server?)"
        )
    if remote.checksum is None:
        return
    algorithm, _, expected = remote.checksum.partition(":")
    with candidate.open("rb") as file:
        digest = hashlib.file_digest(file, algorithm).hexdigest()
    if digest != expected:
        raise _quarantine(candidate, path, remote, f"its {algorithm} is {digest}, not {expected}")


def _quarantine(candidate: Path, path: Path, remote: RemoteFile, cause: str) -> DataError:
    bad = path.with_name(f"{path.name}.bad")
    candidate.replace(bad)
    return DataError(
        f"{path.name}: {cause}",
        f"it is kept as {bad}; fetch it again, or compare it with {remote.url}",
    )


def _open_remainder(url: str, part: Path) -> Any:
    """Return the response to a request for what `part` still lacks."""
    request = urllib.request.Request(url, headers={"User-Agent": "benchkit"})  # noqa: S310
    have = _size(part)
    if have:
        request.add_header("Range", f"bytes={have}-")
        # Without it a file that has changed meanwhile would be joined to half of the old one.
        if tag := _stored_etag(part):
            request.add_header("If-Range", tag)
    return urllib.request.urlopen(request, timeout=_TIMEOUT)  # noqa: S310


def _align_part_file(response: Any, part: Path) -> int | None:
    """Make `part` fit the response: kept for a continuation, emptied for a whole file.

    Returns the size that it must reach, None where the server does not say.
    """
    headers = response.headers
    if response.status == 206:
        start, total = _content_range(headers.get("Content-Range"))
        if start == _size(part):
            return total
        part.write_bytes(b"")
        raise http.client.HTTPException("the server went on from another place")
    part.write_bytes(b"")
    tag = headers.get("ETag") or headers.get("Last-Modified")
    if tag and not tag.startswith("W/"):  # a weak tag cannot vouch for bytes
        _etag_path(part).write_text(json.dumps(tag), encoding="utf-8")
    length = headers.get("Content-Length")
    return int(length) if length is not None else None


def _copy(response: Any, part: Path, progress: Progress | None) -> None:
    with io.wrap_io_errors(part):
        target = part.open("ab")
    with target:
        while block := response.read(_BLOCK):
            with io.wrap_io_errors(part):
                target.write(block)
            if progress:
                progress.advance(len(block))


def _content_range(value: str | None) -> tuple[int, int | None]:
    """Parse 'bytes 5-99/100' into (5, 100)."""
    try:
        place, _, total = (value or "").removeprefix("bytes ").partition("/")
        return int(place.partition("-")[0]), None if total == "*" else int(total)
    except ValueError:
        raise http.client.HTTPException(f"Content-Range {value!r}") from None


def _length_after(value: str | None) -> int | None:
    """Parse 'bytes */100' into 100."""
    total = (value or "").rpartition("/")[2]
    return int(total) if total.isdecimal() else None


def _count_failure(failures: int, error: Exception) -> int:
    if failures + 1 >= _ATTEMPTS:
        raise UnreachableError(str(error)) from None
    return failures + 1


def _pause(failures: int, retry_after: str | None) -> float:
    server_pause = float(retry_after) if retry_after and retry_after.isdecimal() else 0.0
    return min(_LONGEST_PAUSE, max(server_pause, 0.5 * 2.0**failures))


def part_path(path: Path) -> Path:
    """Return where the beginning of a file is kept that has not come whole yet."""
    return path.with_name(f"{path.name}.part")


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _etag_path(part: Path) -> Path:
    return part.with_name(f"{part.name}.etag")


def _stored_etag(part: Path) -> str | None:
    path = _etag_path(part)
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None
