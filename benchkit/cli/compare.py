"""benchkit compare"""

from pathlib import Path
from typing import Annotated, Literal

import typer

from benchkit.cli import options
from benchkit.cli.csv_option import split_names
from benchkit.console import echo, echo_file, echo_files


def compare_command(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[METHOD]...",
            help="Methods by label, every pair of them; none: every method against the best.",
        ),
    ] = None,
    suite: Annotated[
        str, typer.Option(help="A suite that was run; optional when the store has one suite.")
    ] = "",
    against: Annotated[str, typer.Option(help="Compare with this method.")] = "",
    task: Annotated[str, typer.Option(help="Only these tasks, comma-separated.")] = "",
    metric: Annotated[str, typer.Option(help="The suite's primary metric, or another.")] = "",
    protocol: Annotated[str, typer.Option(help="A protocol of the suite, by default scored.")] = "",
    power: Annotated[
        float | None,
        typer.Option(help="Say how many users show this difference (80 % power, 5 %)."),
    ] = None,
    out: options.StoreOption = Path("runs"),
    format_: Annotated[
        Literal["terminal", "md", "csv", "json"], typer.Option("--format", help="How to print it.")
    ] = "terminal",
    plots: Annotated[
        Path | None, typer.Option(help="Draw the critical-difference diagram into this folder.")
    ] = None,
) -> None:
    """Test whether methods differ, case by case over the same users."""
    from benchkit import api
    from benchkit.report.core.terminal_table import wide_console

    if power is not None and not 1e-6 <= power <= 1e6:
        raise typer.BadParameter("must be a difference from 1e-6 to 1e6", param_hint="--power")
    comparison = api.compare(
        out, suite=suite, methods=names or (), against=against, tasks=split_names(task),
        metric=metric, protocol=protocol, target_difference=power,
    )  # fmt: skip
    if format_ == "terminal":
        comparison.print(wide_console())
    else:
        echo_file(comparison.table(format_))
    if plots is not None:
        echo_files(comparison.write_plots(plots))
        if not comparison.has_ranking:
            echo("no diagram: it needs 3 methods on each of 3 tasks", fg="yellow", err=True)
