"""benchkit data"""

from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from benchkit.cli.lists import names as split_names

if TYPE_CHECKING:
    from rich.console import Console

    from benchkit.data.audit import AuditCases, Finding
    from benchkit.data.spec import DatasetSpec
    from benchkit.protocols import Progress

app = typer.Typer(no_args_is_help=True, help="Look at datasets and cases, ours and others'.")

Suite = Annotated[str, typer.Option(help="A suite by name, or the path of a TOML file.")]
Only = Annotated[str, typer.Option(help="Only these datasets, comma-separated.")]
Data = Annotated[Path, typer.Option(help="Where prepared datasets are kept.")]


class Format(StrEnum):
    """What statistics can be printed as."""

    terminal = "terminal"
    md = "md"
    csv = "csv"
    latex = "latex"


@app.command()
def describe(
    suite: Suite,
    dataset: Only = "",
    format_: Annotated[Format, typer.Option("--format", help="How to print it.")] = Format.terminal,
    published: Annotated[
        Path, typer.Option(help="A CSV of published results, or a folder of them.")
    ] = Path("leaderboards/published"),
    data: Data = Path("data"),
) -> None:
    """Print the statistics of datasets, with what papers report of them beside ours."""
    from rich.console import Console
    from rich.table import Table

    from benchkit.data import describe as statistics
    from benchkit.data.frozen import prepared

    files = sorted(published.glob("*.csv")) if published.is_dir() else [published]
    own = [statistics.describe(prepared(spec, data)) for spec in _specs(suite, dataset)]
    # The default folder need not be here; a path that was given is read or complained about.
    absent = published == Path("leaderboards/published") and not published.exists()
    pairs = statistics.beside(own, [] if absent else statistics.read_published(files))
    if format_ is not Format.terminal:
        typer.echo(statistics.table(pairs, format_.value), nl=False)
        return
    grid = Table(box=None, header_style="bold", pad_edge=False)
    for place, title in enumerate(statistics.header()):
        grid.add_column(title, justify="left" if place < 2 else "right")
    for row in statistics.rows(pairs):
        grid.add_row(*row, style="" if row[1] == statistics.MEASURED else "dim")
    Console().print(grid)
    typer.secho(statistics.NOTE, dim=True)


@app.command()
def audit(
    file: Annotated[
        Path | None, typer.Argument(help="Cases of others: .json, .jsonl, .csv or .tsv.")
    ] = None,
    suite: Suite = "",
    dataset: Only = "",
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
    data: Data = Path("data"),
) -> None:
    """Look for leaks and defects in cases; exit with 1 if there is one."""
    import json
    from dataclasses import asdict

    from rich.console import Console

    from benchkit.data.audit import audit as examine
    from benchkit.data.audit import of_dataset, of_file
    from benchkit.data.foreign import field_map
    from benchkit.data.frozen import prepared

    if (file is None) == (not (suite or dataset)):
        raise typer.BadParameter("name either a FILE or a --suite or --dataset")
    cases: list[AuditCases] = []
    if file is not None:
        cases = [of_file(file, field_map(fields), separator, known)]
    else:
        for spec in _specs(suite, dataset):
            frozen = prepared(spec, data)
            cases += [of_dataset(frozen, "test"), of_dataset(frozen, "valid")]
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


@app.command()
def prepare(suite: Suite, dataset: Only = "", data: Data = Path("data")) -> None:
    """Prepare datasets, and show what each stage kept and left out."""
    from rich.console import Console
    from rich.table import Table

    from benchkit.data.frozen import home, prepared

    console = Console()
    for spec in _specs(suite, dataset):
        frozen = prepared(spec, data)
        grid = Table(box=None, show_header=False, pad_edge=False)
        for stage, count in frozen.report.items():
            grid.add_row(stage.replace("_", " "), f"{count:,}")
        console.print(spec.name, style="bold", highlight=False)
        console.print(grid)
        console.print(f"in {home(spec, data)}\n", highlight=False, soft_wrap=True)


@app.command()
def fetch(
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
    from benchkit.data.fetch import fetch as get

    with _bars() as progress:
        paths = get(dataset, to, from_, progress)
    for path in paths:
        typer.echo(path)


@contextmanager
def _bars() -> Iterator["Progress"]:
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


def _specs(suite: str, only: str) -> "list[DatasetSpec]":
    """The datasets of a suite; without a suite, those of any shipped one, then sources."""
    from benchkit.config import load_suite, shipped_suites
    from benchkit.data.sources import SOURCES
    from benchkit.data.spec import DatasetSpec
    from benchkit.lazy import unknown_name

    known: dict[str, DatasetSpec] = {}
    if not suite:
        known = {source: DatasetSpec(name=source, source=source) for source in SOURCES}
    for path in [suite] if suite else reversed(shipped_suites()):
        known |= {spec.name: spec for spec in load_suite(path).datasets}
    names = split_names(only)
    for name in names:
        if name not in known:
            raise unknown_name("dataset", name, known)
    return [known[name] for name in names or known]


def _p(value: float) -> str:
    return f"p {value:.2g}" if value > 1e-99 else "p < 1e-99"


def _print_findings(console: "Console", cases: "AuditCases", findings: "list[Finding]") -> None:
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
        figures += [] if finding.p is None else [_p(finding.p)]
        says.append("\n" + ", ".join(figures) if figures else "", style="cyan")
        says.append(f"\ne.g. {'; '.join(finding.examples[:3])}" if finding.examples else "", "dim")
        grid.add_row(
            Text(finding.severity, style=colours[finding.severity]), finding.name,
            f"{finding.count:,} of {finding.of:,}", f"{finding.share:.1%}", says,
        )  # fmt: skip
    console.print(grid)
    summary = f"{len(wrong)} leaks and defects" if wrong else "no leak and no defect"
    console.print(f"{summary}\n", style="red" if wrong else "green", highlight=False)
