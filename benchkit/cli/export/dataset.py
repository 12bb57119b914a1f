"""benchkit export dataset"""

from pathlib import Path
from typing import Annotated

import typer

from benchkit.cli.export.options import FolderOption
from benchkit.cli.export.recbole import print_dataset_export
from benchkit.cli.options import DataFolderOption, OneDatasetOption, SuiteOption, TrustOption


def export_dataset_command(
    suite: SuiteOption,
    to: FolderOption,
    dataset: OneDatasetOption = "",
    license_: Annotated[
        str, typer.Option("--license", help="Its licence, such as cc-by-4.0; said nowhere if not.")
    ] = "",
    url: Annotated[str, typer.Option(help="Where the data come from.")] = "",
    citation: Annotated[str, typer.Option(help="How it is cited, as BibTeX.")] = "",
    collection: Annotated[str, typer.Option(help="How the data were collected.")] = "",
    personal: Annotated[
        str, typer.Option(help="What personal and sensitive information is in it.")
    ] = "",
    trust: TrustOption = False,
    data: DataFolderOption = Path("data"),
) -> None:
    """Write a dataset as Parquet with a Hugging Face card, Croissant metadata and its answers.

    suite.toml in the folder reads it back. Card and metadata say what benchkit knows, and what
    these options add.
    """
    from benchkit.config.suite import load_suite
    from benchkit.interop.evaluation_task import load_task
    from benchkit.interop.exports.dataset_tables import DatasetFacts
    from benchkit.interop.exports.parquet_dataset import export_parquet_dataset

    task = load_task(load_suite(suite, trust=trust), dataset, data)
    facts = DatasetFacts(license_, url, citation, collection, personal)
    spec = task.suite.dataset(task.task.test)
    print_dataset_export(export_parquet_dataset(task.dataset, spec, to, facts))
