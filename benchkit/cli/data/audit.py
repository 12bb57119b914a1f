"""benchkit data audit"""

from pathlib import Path
from typing import Annotated

import typer

from benchkit.cli.csv_option import split_names
from benchkit.cli.options import DataFolderOption, DatasetOption, SuiteOption, TrustOption
from benchkit.console import VisibleConsole, echo_file


def data_audit_command(
    file: Annotated[
        Path | None, typer.Argument(help="Cases of others: .json, .jsonl, .csv or .tsv.")
    ] = None,
    suite: SuiteOption = "",
    dataset: DatasetOption = "",
    fields: Annotated[
        str, typer.Option(help="Names in FILE: candidates=A,target=B,history=C,case_id=D")
    ] = "",
    separator: Annotated[
        str | None, typer.Option(help="Between the items of a list that is one string.")
    ] = None,
    known: Annotated[
        Path | None, typer.Option(help="A second file, whose targets a method may see.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Everything, as JSON.")] = False,
    trust: TrustOption = False,
    data: DataFolderOption = Path("data"),
) -> None:
    """Look for leaks and defects in cases; exit with 1 if there is one."""
    import json

    from benchkit.api.audit import audit_datasets, audit_file, print_findings
    from benchkit.api.catalog import select_datasets

    if (file is None) == (not (suite or dataset)):
        raise typer.BadParameter("name either a FILE or a --suite or --dataset")
    if file is not None:
        reports = [audit_file(file, fields, separator, known)]
    else:
        reports = audit_datasets(select_datasets(suite, split_names(dataset), trust), data)
    if as_json:
        records = [report.to_record() for report in reports]
        echo_file(json.dumps(records, indent=2, ensure_ascii=False) + "\n")
    else:
        for report in reports:
            print_findings(VisibleConsole(), report)
    if any(report.has_faults for report in reports):
        raise typer.Exit(1)
