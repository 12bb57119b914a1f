"""benchkit data"""

from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from benchkit.cli.csv_option import split_names

if TYPE_CHECKING:
    from rich.console import Console

    from benchkit.data.audit import AuditCases, AuditFinding
    from benchkit.data.spec import DatasetSpec
    from benchkit.types import Progress

data_app = typer.Typer(no_args_is_help=True, help="Look at datasets and cases, ours and others'.")

SuiteOption = Annotated[str, typer.Option(help="A suite by name, or the path of a TOML file.")]
DatasetOption = Annotated[str, typer.Option(help="Only these datasets, comma-separated.")]
DataFolderOption = Annotated[Path, typer.Option(help="Where prepared datasets are kept.")]


class DatasetStatisticsFormat(StrEnum):
    """What statistics can be printed as."""

    terminal = "terminal"
    md = "md"
    csv = "csv"
    latex = "latex"


@data_app.command("describe")
def data_describe_command(
    suite: SuiteOption,
    dataset: DatasetOption = "",
    format_: Annotated[
        DatasetStatisticsFormat, typer.Option("--format", help="How to print it.")
    ] = DatasetStatisticsFormat.terminal,
    published: Annotated[
        Path, typer.Option(help="A CSV of published results, or a folder of them.")
    ] = Path("leaderboards/published"),
    data: DataFolderOption = Path("data"),
) -> None:
    """Print the statistics of datasets, with what papers report of them beside ours."""
    from rich.console import Console
    from rich.table import Table

    from benchkit.data import dataset_statistics as statistics
    from benchkit.data.preparation.cache import load_or_prepare

    files = sorted(published.glob("*.csv")) if published.is_dir() else [published]
    own = [
        statistics.describe_dataset(load_or_prepare(spec, data))
        for spec in _select_datasets(suite, dataset)
    ]
    # The default folder need not be here; a path that was given is read or complained about.
    absent = published == Path("leaderboards/published") and not published.exists()
    pairs = statistics.match_published_statistics(
        own, [] if absent else statistics.read_published_statistics(files)
    )
    if format_ is not DatasetStatisticsFormat.terminal:
        typer.echo(statistics.render_statistics(pairs, format_.value), nl=False)
        return
    grid = Table(box=None, header_style="bold", pad_edge=False)
    for place, title in enumerate(statistics.statistics_header()):
        grid.add_column(title, justify="left" if place < 2 else "right")
    for row in statistics.statistics_rows(pairs):
        grid.add_row(*row, style="" if row[1] == statistics.MEASURED_LABEL else "dim")
    Console().print(grid)
    typer.secho(statistics.STATISTICS_NOTE, dim=True)


@data_app.command("audit")
def data_audit_command(
    file: Annotated[
        Path | None, typer.Argument(help="Cases of others: .json, .jsonl, .csv or .tsv.")
    ] = None,
    suite: SuiteOption = "",
    dataset: DatasetOption = "",
    fields: Annotated[
        str, typer.Option(help="Fields of FILE: candidates=...,target=...,history=...,case_id=...")
    ] = "",
    separator: Annotated[
        str | None, typer.Option(help="Between the items of a list that is one string.")
    ] = None,
    known: Annotated[
        Path | None, typer.Option(help="A second file, whose targets a method may see.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Everything, as JSON.")] = False,
    data: DataFolderOption = Path("data"),
) -> None:
    """Look for leaks and defects in cases; exit with 1 if there is one."""
    import json
    from dataclasses import asdict

    from rich.console import Console

    from benchkit.data.audit import audit_cases as examine
    from benchkit.data.audit import audit_cases_from_dataset, audit_cases_from_file
    from benchkit.data.preparation.cache import load_or_prepare
    from benchkit.data.readers.external_cases import parse_field_map

    if (file is None) == (not (suite or dataset)):
        raise typer.BadParameter("name either a FILE or a --suite or --dataset")
    cases: list[AuditCases] = []
    if file is not None:
        cases = [audit_cases_from_file(file, parse_field_map(fields), separator, known)]
    else:
        for spec in _select_datasets(suite, dataset):
            frozen = load_or_prepare(spec, data)
            cases += [
                audit_cases_from_dataset(frozen, "test"),
                audit_cases_from_dataset(frozen, "valid"),
            ]
    findings = [examine(part) for part in cases]
    if as_json:
        listed = [
            {"cases": part.name, "n": len(part), "findings": [asdict(one) for one in found]}
            for part, found in zip(cases, findings, strict=True)
        ]
        typer.echo(json.dumps(listed, indent=2, ensure_ascii=False))
    else:
        for part, found in zip(cases, findings, strict=True):
            _print_findings(Console(), part, found)
    if any(finding.severity != "note" for found in findings for finding in found):
        raise typer.Exit(1)


@data_app.command("prepare")
def data_prepare_command(
    suite: SuiteOption, dataset: DatasetOption = "", data: DataFolderOption = Path("data")
) -> None:
    """Prepare datasets, and show what each stage kept and left out."""
    from rich.console import Console
    from rich.table import Table

    from benchkit.data.preparation.cache import dataset_dir, load_or_prepare

    console = Console()
    for spec in _select_datasets(suite, dataset):
        frozen = load_or_prepare(spec, data)
        grid = Table(box=None, show_header=False, pad_edge=False)
        for stage, count in frozen.report.items():
            grid.add_row(stage.replace("_", " "), f"{count:,}")
        console.print(spec.name, style="bold", highlight=False)
        console.print(grid)
        console.print(f"in {dataset_dir(spec, data)}\n", highlight=False, soft_wrap=True)


@data_app.command("fetch")
def data_fetch_command(
    dataset: Annotated[str, typer.Argument(help="What to fetch.")],
    to: Annotated[Path, typer.Option(help="The folder that the files go to.")] = Path("data/raw"),
    from_: Annotated[
        Path | None, typer.Option("--from", help="A folder with the files, instead of the network.")
    ] = None,
) -> None:
    """Fetch the raw files of a public dataset and check that they are whole.

    Datasets: movielens/ml-1m, movielens/ml-25m, movielens/ml-latest-small, lastfm, steam,
    beeradvocate, amazon2023/DOMAIN and amazon2018/DOMAIN (e.g. amazon2023/Video_Games).
    """
    from benchkit.data.sources.download import fetch_dataset as get

    with _download_progress() as progress:
        paths = get(dataset, to, from_, progress)
    for path in paths:
        typer.echo(path)


@contextmanager
def _download_progress() -> Iterator["Progress"]:
    """A Progress that shows a bar of bytes for each file."""
    from rich.progress import BarColumn, DownloadColumn, TextColumn, TransferSpeedColumn
    from rich.progress import Progress as Bars

    class Shown:
        def start(self, what: str, total: int | None = None) -> None:
            self.task = bars.add_task(what, total=total)

        def advance(self, steps: int = 1, note: str = "") -> None:  # noqa: ARG002
            bars.advance(self.task, steps)

    text = TextColumn("{task.description}")
    with Bars(text, BarColumn(), DownloadColumn(), TransferSpeedColumn()) as bars:
        yield Shown()


def _select_datasets(suite: str, only: str) -> "list[DatasetSpec]":
    """The datasets of a suite; without a suite, those of any shipped one, then sources."""
    from benchkit.config.suite import load_suite, shipped_suites
    from benchkit.data.sources import SOURCES
    from benchkit.data.spec import DatasetSpec
    from benchkit.errors import unknown_name_error

    known: dict[str, DatasetSpec] = {}
    if not suite:
        known = {source: DatasetSpec(name=source, source=source) for source in SOURCES}
    for path in [suite] if suite else reversed(shipped_suites()):
        known |= {spec.name: spec for spec in load_suite(path).datasets}
    names = split_names(only)
    for name in names:
        if name not in known:
            raise unknown_name_error("dataset", name, known)
    return [known[name] for name in names or known]


def _format_p(value: float) -> str:
    return f"p {value:.2g}" if value > 1e-99 else "p < 1e-99"


def _print_findings(
    console: "Console", cases: "AuditCases", findings: "list[AuditFinding]"
) -> None:
    from rich.table import Table
    from rich.text import Text

    colours = {"leak": "bold red", "defect": "red", "note": "yellow"}
    wrong = [finding for finding in findings if finding.severity != "note"]
    console.print(f"{cases.name} ({len(cases):,} cases)", style="bold", highlight=False)
    grid = Table(box=None, header_style="bold", pad_edge=False)
    for title in ("", "Finding", "Count", "Share", "What it means"):
        grid.add_column(title, justify="right" if title in ("Count", "Share") else "left")
    for finding in findings:
        says = Text(finding.consequence)
        figures = [f"{name} {value:.4g}" for name, value in finding.measures.items()]
        figures += [] if finding.p is None else [_format_p(finding.p)]
        says.append("\n" + ", ".join(figures) if figures else "", style="cyan")
        says.append(f"\ne.g. {'; '.join(finding.examples[:3])}" if finding.examples else "", "dim")
        grid.add_row(
            Text(finding.severity, style=colours[finding.severity]), finding.name,
            f"{finding.count:,} of {finding.of:,}", f"{finding.share:.1%}", says,
        )  # fmt: skip
    console.print(grid)
    summary = f"{len(wrong)} leaks and defects" if wrong else "no leak and no defect"
    console.print(f"{summary}\n", style="red" if wrong else "green", highlight=False)
