"""Files that are to be fetched, as they are printed, and the bars of their bytes."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from benchkit.console import echo
from benchkit.count_text import count_text

if TYPE_CHECKING:
    from benchkit.api.plans.planned_runs import PlannedRun
    from benchkit.data.sources.remote_files import RemoteFile
    from benchkit.types import Progress


def print_missing_files(files: Iterable["RemoteFile"]) -> None:
    """Print files that are to be fetched, each once, with their sizes and addresses."""
    from benchkit.data.sources.fetch import format_size, measure_sizes

    missing = {remote.path: remote for remote in files}
    if not missing:
        return
    sizes = measure_sizes(tuple(missing.values())).files
    for remote in sizes:
        echo(f"to fetch  {remote.path}  {format_size(remote.size)}  {remote.url}")
    known = [remote.size for remote in sizes if remote.size is not None]
    unknown = f", {len(sizes) - len(known)} of unknown size" if len(known) < len(sizes) else ""
    echo(f"to fetch  {count_text(len(sizes), 'file')}, {format_size(sum(known))} in all{unknown}")


def print_downloads(plan: list["PlannedRun"]) -> list["PlannedRun"]:
    """Print the files that runs wait for, and return the runs."""
    print_missing_files(remote for planned in plan for remote in planned.missing)
    return plan


@contextmanager
def show_downloads() -> Iterator["Progress"]:
    """Return a Progress that shows a bar of bytes for each file."""
    from rich.progress import BarColumn, DownloadColumn, TextColumn, TransferSpeedColumn
    from rich.progress import Progress as Bars
    from rich.table import Column

    class DownloadProgress:
        def start(self, what: str, total: int | None = None) -> None:
            self.task = bars.add_task(what, total=total)

        def advance(self, steps: int = 1, note: str = "") -> None:  # noqa: ARG002
            bars.advance(self.task, steps)

    # Long names of files are wrapped, so that no number is cut.
    text = TextColumn("{task.description}", table_column=Column(overflow="fold"))
    with Bars(text, BarColumn(20), DownloadColumn(), TransferSpeedColumn()) as bars:
        yield DownloadProgress()
