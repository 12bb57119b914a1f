"""benchkit export trec"""

from pathlib import Path

from benchkit.cli.export.options import FolderOption
from benchkit.cli.options import DataFolderOption, StoredSuiteOption, StoreOption
from benchkit.console import echo, echo_files


def export_trec_command(
    suite: StoredSuiteOption,
    to: FolderOption,
    out: StoreOption = Path("runs"),
    data: DataFolderOption = Path("data"),
) -> None:
    """Write the lists of a suite's runs as TREC run files, and the answers as qrels.

    Ids are percent-encoded where they hold anything but visible ASCII.
    """
    from benchkit.api.stored_results import find_stored_suite
    from benchkit.interop.exports.trec import export_trec
    from benchkit.runs.store import Store

    store = Store(out)
    written = export_trec(store, find_stored_suite(store, suite), data, to)
    echo_files(written.files)
    for note in written.notes:
        echo(f"note: {note}", fg="yellow", err=True)
