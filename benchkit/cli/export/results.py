"""benchkit export tables, every-eval and eval-results: the results of a suite."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from benchkit.cli.export.options import FolderOption
from benchkit.cli.options import DataFolderOption, StoredSuiteOption, StoreOption
from benchkit.console import echo_files


def export_tables_command(
    suite: StoredSuiteOption,
    to: FolderOption,
    format_: Annotated[
        Literal["csv", "parquet"], typer.Option("--format", help="What the files are.")
    ] = "csv",
    out: StoreOption = Path("runs"),
    data: DataFolderOption = Path("data"),
) -> None:
    """Write all figures and cases of a suite as tables, with a schema of their columns."""
    from benchkit.api.exports.result_tables import write_result_tables
    from benchkit.api.stored_results import load_results

    echo_files(write_result_tables(load_results(out, suite, data=data), to, format_))


def export_every_eval_command(
    suite: StoredSuiteOption,
    to: FolderOption,
    organization: Annotated[str, typer.Option(help="Who shares the figures.")],
    relationship: Annotated[
        Literal["first_party", "third_party", "collaborative", "other"],
        typer.Option(help="What that organization is to the methods."),
    ] = "other",
    out: StoreOption = Path("runs"),
    data: DataFolderOption = Path("data"),
) -> None:
    """Write the figures of each method as a record of Every Eval Ever."""
    from benchkit.api.exports.leaderboard_entries import Publisher, write_every_eval
    from benchkit.api.stored_results import load_results

    publisher = Publisher(organization, relationship)
    echo_files(write_every_eval(load_results(out, suite, data=data), to, publisher))


def export_eval_results_command(
    suite: StoredSuiteOption,
    to: FolderOption,
    benchmark: Annotated[
        str, typer.Option(help="Id of the benchmark's dataset on the Hub, OWNER/NAME.")
    ],
    url: Annotated[str, typer.Option(help="Where a reader finds more of the figures.")] = "",
    organization: Annotated[
        str, typer.Option(help="Whose figures they are on the Hub; goes with --url.")
    ] = "",
    out: StoreOption = Path("runs"),
    data: DataFolderOption = Path("data"),
) -> None:
    """Write the figures of each method as evaluation results of the Hugging Face Hub."""
    from benchkit.api.exports.leaderboard_entries import write_eval_results
    from benchkit.api.stored_results import load_results

    results = load_results(out, suite, data=data)
    echo_files(write_eval_results(results, to, benchmark, url, organization))
