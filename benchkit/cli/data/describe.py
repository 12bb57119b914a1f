"""benchkit data describe"""

from pathlib import Path
from typing import Annotated, Literal

import typer

from benchkit.cli.csv_option import split_names
from benchkit.cli.options import DataFolderOption, DatasetOption, SuiteOption


def data_describe_command(
    suite: SuiteOption,
    dataset: DatasetOption = "",
    format_: Annotated[
        Literal["terminal", "md", "csv", "latex"],
        typer.Option("--format", help="How to print it."),
    ] = "terminal",
    published: Annotated[
        Path, typer.Option(help="A CSV of published results, or a folder of them.")
    ] = Path("leaderboards/published"),
    data: DataFolderOption = Path("data"),
) -> None:
    """Print the statistics of datasets, with what papers report of them beside ours."""
    from rich.console import Console
    from rich.table import Table

    from benchkit.api.catalog import select_datasets
    from benchkit.data import dataset_statistics as statistics
    from benchkit.data.preparation.cache import load_or_prepare

    files = sorted(published.glob("*.csv")) if published.is_dir() else [published]
    measured = [
        statistics.describe_dataset(load_or_prepare(spec, data))
        for spec in select_datasets(suite, split_names(dataset))
    ]
    # The default folder need not be here; a path that was given is read or complained about.
    absent = published == Path("leaderboards/published") and not published.exists()
    pairs = statistics.match_published_statistics(
        measured, [] if absent else statistics.read_published_statistics(files)
    )
    if format_ != "terminal":
        typer.echo(statistics.render_statistics(pairs, format_), nl=False)
        return
    table = Table(box=None, header_style="bold", pad_edge=False)
    for index, title in enumerate(statistics.statistics_header()):
        table.add_column(title, justify="left" if index < 2 else "right")
    for row in statistics.statistics_rows(pairs):
        table.add_row(*row, style="" if row[1] == statistics.MEASURED_LABEL else "dim")
    Console().print(table)
    typer.secho(statistics.STATISTICS_NOTE, dim=True)
