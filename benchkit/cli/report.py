"""benchkit report"""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class Format(StrEnum):
    """What a report can be printed as."""

    terminal = "terminal"
    md = "md"
    csv = "csv"
    latex = "latex"


def report(
    suite: Annotated[str, typer.Option(help="A suite that was run (its name in the store).")],
    out: Annotated[Path, typer.Option(help="The run store.")] = Path("runs"),
    format_: Annotated[Format, typer.Option("--format", help="How to print it.")] = Format.terminal,
    leaderboards: Annotated[
        Path | None, typer.Option(help="Also write all formats to LEADERBOARDS/SUITE.")
    ] = None,
) -> None:
    """Print the tables of a suite from the run store; nothing is computed again."""
    from benchkit.report.rows import collect
    from benchkit.report.terminal import print_results, wide_console
    from benchkit.report.write import FORMATS, write_all
    from benchkit.store import Store, slug

    results = collect(Store(out), suite)
    if format_ is Format.terminal:
        print_results(wide_console(), results)
    else:
        typer.echo(FORMATS[format_.value](results), nl=False)
    if leaderboards is not None:
        for path in write_all(results, leaderboards / slug(suite)):
            typer.echo(f"wrote {path}", err=True)
