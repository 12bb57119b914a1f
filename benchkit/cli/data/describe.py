"""benchkit data describe"""

from pathlib import Path
from typing import Annotated, Literal

import typer

from benchkit.cli.csv_option import split_names
from benchkit.cli.options import DataFolderOption, DatasetOption, SuiteOption, TrustOption
from benchkit.console import echo_file


def data_describe_command(
    suite: SuiteOption,
    dataset: DatasetOption = "",
    format_: Annotated[
        Literal["terminal", "md", "csv", "latex"],
        typer.Option("--format", help="How to print it."),
    ] = "terminal",
    published: Annotated[
        Path | None,
        typer.Option(
            help="A CSV of published results, or a folder of them; by default those that come with"
            " benchkit."
        ),
    ] = None,
    trust: TrustOption = False,
    data: DataFolderOption = Path("data"),
) -> None:
    """Print the statistics of datasets, with what papers report of them beside ours."""
    from benchkit.api.catalog import select_datasets
    from benchkit.data.dataset_statistics import describe_dataset
    from benchkit.data.preparation.cache import load_or_prepare
    from benchkit.report.core.latex import render_latex
    from benchkit.report.core.terminal_table import print_tables, wide_console
    from benchkit.report.core.text_table import render_markdown
    from benchkit.report.paper import dataset_statistics as statistics
    from benchkit.report.paper.published_values import PUBLISHED_FOLDER

    published = published or PUBLISHED_FOLDER
    files = sorted(published.glob("*.csv")) if published.is_dir() else [published]
    measured = [
        describe_dataset(load_or_prepare(spec, data))
        for spec in select_datasets(suite, split_names(dataset), trust)
    ]
    pairs = statistics.match_published_statistics(
        measured, statistics.read_published_statistics(files)
    )
    table = statistics.statistics_table(pairs)
    if format_ == "terminal":
        print_tables(wide_console(), [table])
    elif format_ == "csv":
        echo_file(statistics.statistics_csv(pairs))
    else:
        echo_file((render_markdown if format_ == "md" else render_latex)([table]))
