"""benchkit diagnose"""

from pathlib import Path
from typing import Annotated

import typer

from benchkit.cli import options
from benchkit.console import echo, echo_files


def diagnose_command(
    suite: options.StoredSuiteOption,
    dataset: Annotated[str, typer.Option(help="Only this dataset of the suite.")] = "",
    method: Annotated[str, typer.Option(help="Only this method, by its label.")] = "",
    out: options.StoreOption = Path("runs"),
    to: Annotated[
        Path | None, typer.Option(help="Folder to write to; leaderboards/SUITE/diagnostics.")
    ] = None,
) -> None:
    """Show how preference training went: margins, weights, conflicts, as tables and plots."""
    from benchkit.api.stored_results import find_stored_suite
    from benchkit.errors import ConfigError
    from benchkit.io import folder_name
    from benchkit.report.core.terminal_table import print_tables, wide_console
    from benchkit.report.training.diagnostics import diagnose_suite
    from benchkit.report.training.files import diagnosis_table, write_diagnosis_tables
    from benchkit.report.training.plots import write_diagnosis_plots
    from benchkit.runs.store import Store

    suite = find_stored_suite(Store(out), suite)
    diagnoses = diagnose_suite(Store(out), suite, dataset, method)
    folder = to or Path("leaderboards") / folder_name(suite) / "diagnostics"
    print_tables(wide_console(), [diagnosis_table(diagnoses)])
    paths = write_diagnosis_tables(diagnoses, folder)
    try:
        paths += write_diagnosis_plots(diagnoses, folder)
    except ConfigError as error:
        echo(f"no plots: {error}", fg="yellow", err=True)
    echo_files(paths)
