"""Fetch public files: how large they are, whether there is room, and all of them in turn."""

import shutil
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from filelock import FileLock

from benchkit import io
from benchkit.data.sources.download import (
    CONNECTION_ERRORS,
    UnreachableError,
    download_file,
    part_path,
    verify_download,
)
from benchkit.data.sources.remote_files import RemoteFile
from benchkit.errors import DataError
from benchkit.types import Progress

_TIMEOUT = 15.0  # for the question how large a file is
_AT_ONCE = 8


@dataclass(frozen=True)
class RemoteSizes:
    """What servers say of files before these are fetched.

    Attributes:
        files: The files, with their sizes where a server says them.
        error: Why none of the servers could be reached; None if one was.
    """

    files: tuple[RemoteFile, ...]
    error: Exception | None


def measure_sizes(files: Sequence[RemoteFile]) -> RemoteSizes:
    """Ask the servers how large files are; a server that does not say leaves the size unknown."""
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        answers = list(pool.map(_measure_size, files))
    errors = [answer for answer in answers if isinstance(answer, Exception)]
    sizes = [None if isinstance(answer, Exception) else answer for answer in answers]
    return RemoteSizes(
        tuple(replace(remote, size=size) for remote, size in zip(files, sizes, strict=True)),
        errors[0] if errors and len(errors) == len(answers) else None,
    )


def format_size(size: int | None) -> str:
    """Return a number of bytes for people.

    >>> format_size(1_530_000_000), format_size(900), format_size(None)
    ('1.5 GB', '900 B', 'size unknown')
    """
    if size is None:
        return "size unknown"
    for unit, factor in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if size >= factor:
            return f"{size / factor:.1f} {unit}"
    return f"{size} B"


def fetch_files(
    files: Sequence[RemoteFile],
    folder: Path,
    source: Path | None = None,
    progress: Progress | None = None,
    sleep: Callable[[float], None] = time.sleep,
) -> list[Path]:
    """Fetch public files into `folder` unless they are there; return their paths.

    Args:
        files: The files; a server is asked for those sizes that are not known.
        folder: The folder of raw data.
        source: A folder with the files, used instead of the network.
        progress: Shows each file, and how many of its bytes have come.
        sleep: Waits between attempts.

    Raises:
        DataError: A file cannot be had (all that are missing are named with their addresses), there
            is no room for them, or one is not what was published (it is kept aside as NAME.bad).
    """
    missing = [remote for remote in files if not (folder / remote.path).exists()]
    if source is not None:
        _copy_files(missing, folder, source)
    elif missing:
        _download_files(missing, folder, progress, sleep)
    return [folder / remote.path for remote in files]


def missing_files_error(files: Sequence[RemoteFile], folder: Path, cause: str) -> DataError:
    """Return the error that names all files that are missing, and where they are to be had."""
    lines = "".join(
        f"\n    {remote.url}{f' ({format_size(remote.size)})' if remote.size else ''}"
        f"\n      -> {folder / remote.path}"
        for remote in files
    )
    count = f"{len(files)} files of data are" if len(files) > 1 else "a file of data is"
    return DataError(
        f"{count} missing: {cause}",
        "run it again with a connection, what has come is kept; or get them by hand and put them"
        f" there (or anywhere, with `benchkit data fetch --from DIR`):{lines}",
    )


def _measure_size(remote: RemoteFile) -> int | Exception | None:
    if remote.size is not None:
        return remote.size
    headers = {"User-Agent": "benchkit"}
    request = urllib.request.Request(remote.url, headers=headers, method="HEAD")  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=_TIMEOUT) as response:  # noqa: S310
            length = response.headers.get("Content-Length") or ""
            return int(length) or None if length.isdecimal() else None
    except urllib.error.HTTPError:  # there is a server; the download will say what is wrong
        return None
    except CONNECTION_ERRORS as error:
        return error


def _download_files(
    missing: Sequence[RemoteFile],
    folder: Path,
    progress: Progress | None,
    sleep: Callable[[float], None],
) -> None:
    sizes = measure_sizes(missing)
    if sizes.error is not None:
        raise missing_files_error(missing, folder, f"there is no connection ({sizes.error})")
    _check_room(sizes.files, folder)
    for remote in sizes.files:
        path = _make_folder(folder / remote.path)
        try:
            # Two processes would write to the same NAME.part, from which a download goes on.
            with FileLock(path.with_name(f".{path.name}.lock")):
                if not path.exists():
                    download_file(remote, path, progress, sleep)
        except UnreachableError as error:
            left = [other for other in sizes.files if not (folder / other.path).exists()]
            cause = f"the connection is lost ({error})"
            raise missing_files_error(left, folder, cause) from None


def _check_room(files: Sequence[RemoteFile], folder: Path) -> None:
    """Raise DataError where a disk has less room than the files still take."""
    needed = 0
    for remote in files:
        part = part_path(folder / remote.path)
        present = part.stat().st_size if part.exists() else 0
        needed += max(0, (remote.size or 0) - present)
    there = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    free = shutil.disk_usage(there).free
    if needed > free:
        raise DataError(
            f"{folder}: {format_size(needed)} are to be fetched, and the disk has"
            f" {format_size(free)} left",
            "make room, or keep the data elsewhere: --data DIR",
        )


def _copy_files(missing: Sequence[RemoteFile], folder: Path, source: Path) -> None:
    """Use files at hand: `source/NAME`, or `source` laid out as the raw folder."""
    local_files: dict[str, Path] = {}
    for remote in missing:
        names = (remote.path, Path(remote.path).name, remote.url.rpartition("/")[2])
        places = [source / name for name in names if (source / name).is_file()]
        if places:
            local_files[remote.path] = places[0]
    absent = [remote.url for remote in missing if remote.path not in local_files]
    if absent:
        listed = ", ".join(url.rpartition("/")[2] for url in absent)
        addresses = "".join(f"\n    {url}" for url in absent)
        raise DataError(
            f"{source}: no {listed} in it", f"leave out --from, or put there:{addresses}"
        )
    for remote in missing:
        path = _make_folder(folder / remote.path)
        with FileLock(path.with_name(f".{path.name}.lock")), io.replace_file(path) as temporary:
            shutil.copyfile(local_files[remote.path], temporary)
            verify_download(temporary, remote, path)


def _make_folder(path: Path) -> Path:
    """Return `path`, once its folder is there."""
    with io.wrap_io_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    return path
