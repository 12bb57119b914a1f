"""benchkit compare"""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from benchkit.cli.csv_option import split_names


class ComparisonFormat(StrEnum):
    """What a comparison can be printed as."""

    terminal = "terminal"
    md = "md"
    csv = "csv"
    json = "json"


def compare_command(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[METHOD]...",
            help="Methods by label, every pair of them; none: every method against the best.",
        ),
    ] = None,
    suite: Annotated[
        str, typer.Option(help="A suite that was run; may be left out where there is one.")
    ] = "",
    against: Annotated[str, typer.Option(help="Compare with this method.")] = "",
    task: Annotated[str, typer.Option(help="Only these tasks, comma-separated.")] = "",
    metric: Annotated[str, typer.Option(help="The suite's primary metric, or another.")] = "",
    protocol: Annotated[str, typer.Option(help="scored, scored-mean, full or sampled.")] = "scored",
    power: Annotated[
        float | None,
        typer.Option(help="Say how many users show this difference (80 % power, 5 %)."),
    ] = None,
    out: Annotated[Path, typer.Option(help="The run store.")] = Path("runs"),
    format_: Annotated[
        ComparisonFormat, typer.Option("--format", help="How to print it.")
    ] = ComparisonFormat.terminal,
    plots: Annotated[
        Path | None, typer.Option(help="Draw the critical-difference diagram into this folder.")
    ] = None,
) -> None:
    """Test whether methods differ, case by case over the same users."""
    from benchkit.errors import ConfigError
    from benchkit.report.comparison.critical_difference import write_critical_difference
    from benchkit.report.comparison.paired_comparison import ComparisonRequest, compare_suite
    from benchkit.report.comparison.rendering import COMPARISON_FORMATS, comparison_document
    from benchkit.report.core.text_table import wide_console
    from benchkit.runs.store import Store

    if power is not None and power <= 0:
        raise typer.BadParameter("a difference is above 0", param_hint="--power")
    store = Store(out)
    suites = store.suites()
    if not suite and len(suites) != 1:
        raise ConfigError(
            f"store {out} has {len(suites)} suites", f"--suite, one of: {', '.join(suites) or '-'}"
        )
    tasks = split_names(task)
    asked = ComparisonRequest(tuple(names or ()), against, tasks, metric, protocol, power)
    found = compare_suite(store, suite or suites[0], asked)
    if format_ is ComparisonFormat.terminal:
        comparison_document(found).print(wide_console())
    else:
        typer.echo(COMPARISON_FORMATS[format_.value](found), nl=False)
    if plots is not None:
        for path in write_critical_difference(found, plots):
            typer.echo(f"wrote {path}", err=True)
        if found.ranking is None:
            typer.secho("no diagram: it needs 3 methods on each of 3 tasks", fg="yellow", err=True)
