"""benchkit data fetch"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from benchkit.console import echo

if TYPE_CHECKING:
    from benchkit.types import Progress


def data_fetch_command(
    dataset: Annotated[str, typer.Argument(help="What to fetch.")],
    to: Annotated[Path, typer.Option(help="The folder that the files go to.")] = Path("data/raw"),
    from_: Annotated[
        Path | None, typer.Option("--from", help="A folder with the files, instead of the network.")
    ] = None,
) -> None:
    """Fetch the raw files of a public dataset and check that they are whole.

    Datasets: movielens/ml-1m, movielens/ml-25m, movielens/ml-latest-small, lastfm, steam,
    beeradvocate, amazon2023/DOMAIN and amazon2018/DOMAIN (e.g. amazon2023/Video_Games).
    """
    from benchkit.data.sources.download import fetch_dataset

    with _download_progress() as progress:
        paths = fetch_dataset(dataset, to, from_, progress)
    for path in paths:
        echo(path)


@contextmanager
def _download_progress() -> Iterator["Progress"]:
    """Return a Progress that shows a bar of bytes for each file."""
    from rich.progress import BarColumn, DownloadColumn, TextColumn, TransferSpeedColumn
    from rich.progress import Progress as Bars

    class DownloadProgress:
        def start(self, what: str, total: int | None = None) -> None:
            self.task = bars.add_task(what, total=total)

        def advance(self, steps: int = 1, note: str = "") -> None:  # noqa: ARG002
            bars.advance(self.task, steps)

    text = TextColumn("{task.description}")
    with Bars(text, BarColumn(), DownloadColumn(), TransferSpeedColumn()) as bars:
        yield DownloadProgress()
