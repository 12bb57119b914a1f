"""benchkit export recbole"""

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from benchkit.cli.export.options import FolderOption
from benchkit.cli.options import DataFolderOption, OneDatasetOption, SuiteOption, TrustOption
from benchkit.console import echo, echo_files

if TYPE_CHECKING:
    from benchkit.interop.exports.dataset_suite import DatasetExport


def export_recbole_command(
    suite: SuiteOption,
    to: FolderOption,
    dataset: OneDatasetOption = "",
    trust: TrustOption = False,
    data: DataFolderOption = Path("data"),
) -> None:
    """Write a dataset as RecBole's atomic files, with its answers and a suite that reads it back.

    Cells with tabs, line ends or quotes stand in quotes, as RecBole reads them.
    """
    from benchkit.config.suite import load_suite
    from benchkit.interop.evaluation_task import load_task
    from benchkit.interop.exports.atomic_files import export_atomic_files

    task = load_task(load_suite(suite, trust=trust), dataset, data)
    spec = task.suite.dataset(task.task.test)
    print_dataset_export(export_atomic_files(task.dataset, spec, to))


def print_dataset_export(written: "DatasetExport") -> None:
    """Say what was written; end with 1 where it does not read back as the same dataset."""
    echo_files(written.files)
    if not written.is_same:
        echo(
            f"these files read back as another dataset ({written.read_back[:12]}, not"
            f" {written.fingerprint[:12]}): they do not hold all of it",
            fg="red",
            err=True,
        )
        raise typer.Exit(1)
    echo(f"reads back as the same dataset, fingerprint {written.fingerprint}")
