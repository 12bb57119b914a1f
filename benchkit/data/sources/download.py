"""Downloads that resume: a dropped connection costs nothing but the bytes on the wire.

The standard library does it in a hundred lines; there is no call for an HTTP client here.
"""

import hashlib
import http.client
import json
import shutil
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

from filelock import FileLock

from benchkit import io
from benchkit.data.sources.remote_files import RemoteFile, remote_files
from benchkit.errors import DataError
from benchkit.types import Progress

_BLOCK = 1 << 20
_ATTEMPTS = 5  # in a row without a byte; any progress begins the count anew
_TIMEOUT = 60.0
_LONGEST_PAUSE = 30.0
_MAGIC = {".gz": b"\x1f\x8b", ".zip": b"PK"}
_CONNECTION_ERRORS = (urllib.error.URLError, http.client.HTTPException, OSError)


def fetch_dataset(
    dataset: str, folder: Path, source: Path | None = None, progress: Progress | None = None
) -> list[Path]:
    """Fetch the files of `dataset` into `folder` unless they are there; return their paths.

    source: a folder with the files, used instead of the network. Raises DataError when a file
    cannot be had (with the addresses to get it from by hand) or is not the one that was published
    (it is kept aside as NAME.bad), ConfigError for a dataset that is not known.
    """
    wanted = remote_files(dataset)
    paths = []
    for remote in wanted:
        path = folder / remote.path
        with io.wrap_io_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
        # Two processes would write to the same NAME.part, from which a download goes on.
        with FileLock(path.with_name(f".{path.name}.lock")):
            if path.exists():
                pass
            elif source is not None:
                _copy_local_file(remote, path, source)
            else:
                try:
                    download_file(remote, path, progress)
                except _UnreachableError as error:
                    raise _manual_download_error(dataset, wanted, folder, error) from None
        paths.append(path)
    return paths


def download_file(
    remote: RemoteFile,
    path: Path,
    progress: Progress | None = None,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Download to `path`, going on from NAME.part where an earlier attempt left one."""
    part = path.with_name(f"{path.name}.part")
    failures, announced = 0, False
    while True:
        before = _size(part)
        try:
            with _open_remainder(remote.url, part) as response:
                total = _align_part_file(response, part)
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
        except _CONNECTION_ERRORS as error:
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


class _UnreachableError(Exception):
    """The server could not be reached, time after time."""


def _copy_local_file(remote: RemoteFile, path: Path, source: Path) -> None:
    """Use a file at hand: `source/NAME`, or `source` laid out as the raw folder."""
    name = remote.url.rpartition("/")[2]
    places = [source / place for place in (remote.path, Path(remote.path).name, name)]
    local_file = next((place for place in places if place.is_file()), None)
    if local_file is None:
        raise DataError(
            f"{source}: no {name} in it", f"put it there (from {remote.url}), or leave out --from"
        )
    with io.replace_file(path) as temporary:
        shutil.copyfile(local_file, temporary)
        verify_download(temporary, remote, path)


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
        raise _UnreachableError(str(error)) from None
    return failures + 1


def _pause(failures: int, retry_after: str | None) -> float:
    server_pause = float(retry_after) if retry_after and retry_after.isdecimal() else 0.0
    return min(_LONGEST_PAUSE, max(server_pause, 0.5 * 2.0**failures))


def _manual_download_error(
    dataset: str, wanted: tuple[RemoteFile, ...], folder: Path, error: Exception
) -> DataError:
    lines = "".join(f"\n    {remote.url}\n      -> {folder / remote.path}" for remote in wanted)
    return DataError(
        f"dataset {dataset!r} cannot be downloaded: {error}",
        "what has come is kept, so run it again later; or get the files by hand and put them there"
        f" (or anywhere, with --from DIR):{lines}",
    )


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _etag_path(part: Path) -> Path:
    return part.with_name(f"{part.name}.etag")


def _stored_etag(part: Path) -> str | None:
    path = _etag_path(part)
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None
