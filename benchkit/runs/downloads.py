"""Public data that a plan needs and that are not here: fetched before anything is computed."""

from collections.abc import Iterable
from pathlib import Path

from benchkit.data.sources.fetch import fetch_files, format_size, missing_files_error
from benchkit.data.sources.missing_files import find_missing_files
from benchkit.data.sources.remote_files import RemoteFile
from benchkit.files.search_order import RAW_DIR
from benchkit.runs.job import Job
from benchkit.runs.progress import EventHandler, RunEvent

_MEGABYTE = 10**6


def missing_files(jobs: Iterable[Job], data: Path) -> tuple[RemoteFile, ...]:
    """Return the public files that runs need and that are not in the data folder."""
    specs = {spec.name: spec for job in jobs for spec in (job.train, job.test)}
    return find_missing_files(specs.values(), data / RAW_DIR, data)


def fetch_missing_files(
    jobs: Iterable[Job], data: Path, emit: EventHandler, *, fetch: bool
) -> None:
    """Fetch what runs need and what is not here.

    Raises:
        DataError: Files are missing and `fetch` is False, or they cannot be fetched.
    """
    missing = missing_files(jobs, data)
    if missing and not fetch:
        raise missing_files_error(missing, data / RAW_DIR, "they are not to be fetched")
    progress = _DownloadEvents(emit)
    fetch_files(missing, data / RAW_DIR, progress=progress)
    progress.finish()


class _DownloadEvents:
    """A `Progress` of downloads: turns files into events, and bytes into megabytes."""

    def __init__(self, emit: EventHandler) -> None:
        self._emit, self._file = emit, ""
        self._bytes, self._total = 0, None  # type: int, int | None

    def start(self, what: str, total: int | None = None) -> None:
        self.finish()
        self._file, self._bytes, self._total = f"fetch {what} ({format_size(total)})", 0, total
        self._emit(RunEvent("started", self._file))

    def advance(self, steps: int = 1, note: str = "") -> None:
        self._bytes += steps
        total = None if self._total is None else -(-self._total // _MEGABYTE)
        done = -(-self._bytes // _MEGABYTE)
        self._emit(RunEvent("progress", self._file, "MB", done, total, note))

    def finish(self) -> None:
        """Say that the last file is whole: it was checked once all of its bytes had come."""
        if self._file:
            self._emit(RunEvent("complete", self._file))
            self._file = ""
