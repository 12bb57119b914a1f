"""benchkit data prepare"""

from pathlib import Path

from benchkit.cli.csv_option import split_names
from benchkit.cli.options import DataFolderOption, DatasetOption, SuiteOption, TrustOption
from benchkit.console import VisibleConsole


def data_prepare_command(
    suite: SuiteOption,
    dataset: DatasetOption = "",
    trust: TrustOption = False,
    data: DataFolderOption = Path("data"),
) -> None:
    """Prepare datasets, show what each stage kept and left out, and audit lists of others."""
    from rich.table import Table

    from benchkit.api.audit import audit_datasets, print_findings
    from benchkit.api.catalog import select_datasets
    from benchkit.data.dataset_statistics import describe_ratings, describe_times, mark_synthetic
    from benchkit.data.preparation.cache import dataset_dir, load_or_prepare
    from benchkit.data.spec import CandidateFileSpec

    console = VisibleConsole()
    for spec in select_datasets(suite, split_names(dataset), trust):
        prepared = load_or_prepare(spec, data)
        table = Table(box=None, show_header=False, pad_edge=False)
        for _ in range(2):
            table.add_column(overflow="fold")
        for stage, count in prepared.report.items():
            table.add_row(stage.replace("_", " "), f"{count:,}")
        table.add_row("time", describe_times(prepared))
        table.add_row("ratings", describe_ratings(prepared))
        title = mark_synthetic(spec.name) if prepared.is_synthetic else spec.name
        console.print(title, style="bold", highlight=False)
        console.print(table)
        for caveat in prepared.caveats:
            console.print(caveat, style="yellow", highlight=False, soft_wrap=True)
        if isinstance(spec.candidates, CandidateFileSpec):
            for report in audit_datasets([spec], data):
                print_findings(console, report)
        console.print(f"in {dataset_dir(spec, data)}\n", highlight=False, soft_wrap=True)
