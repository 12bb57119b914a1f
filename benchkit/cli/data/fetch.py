"""benchkit data fetch"""

from pathlib import Path
from typing import Annotated

import typer

from benchkit.cli.csv_option import split_names
from benchkit.cli.data.downloads import print_missing_files, show_downloads
from benchkit.cli.options import TrustOption
from benchkit.console import echo


def data_fetch_command(
    name: Annotated[
        str, typer.Argument(metavar="[DATASET]", help="What to fetch, if no --suite.")
    ] = "",
    suite: Annotated[
        str, typer.Option(help="A suite by name or file, all of whose public files are fetched.")
    ] = "",
    dataset: Annotated[
        str, typer.Option(help="With --suite: only these datasets, comma-separated.")
    ] = "",
    to: Annotated[Path, typer.Option(help="The folder that the files go to.")] = Path("data/raw"),
    from_: Annotated[
        Path | None, typer.Option("--from", help="A folder with the files, instead of the network.")
    ] = None,
    trust: TrustOption = False,
) -> None:
    """Fetch the raw files of public datasets and check that they are whole.

    Datasets: movielens/ml-1m, movielens/ml-25m, movielens/ml-latest-small, lastfm, steam,
    beeradvocate, amazon2023/DOMAIN and amazon2018/DOMAIN (e.g. amazon2023/Video_Games).
    What is there stays, and what was interrupted goes on. `benchkit run` fetches by itself.
    """
    from benchkit.api.catalog import select_datasets
    from benchkit.data.sources.fetch import fetch_files
    from benchkit.data.sources.missing_files import find_missing_files
    from benchkit.data.sources.remote_files import remote_files

    if bool(name) == bool(suite):
        raise typer.BadParameter("name either a DATASET or a --suite")
    if dataset and not suite:
        raise typer.BadParameter("is of a --suite", param_hint="--dataset")
    if name:
        files = remote_files(name)
    else:
        specs = select_datasets(suite, split_names(dataset), trust)
        files = find_missing_files(specs, to)
        if not files:
            echo("nothing is missing")
        elif from_ is None:
            print_missing_files(files)
    with show_downloads() as progress:
        paths = fetch_files(files, to, from_, progress)
    for path in paths:
        echo(path)
