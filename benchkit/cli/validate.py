"""benchkit validate"""

from pathlib import Path
from typing import Annotated

import typer

from benchkit.console import echo


def validate_command(
    path: Annotated[
        Path | None,
        typer.Argument(
            help="A suite file, a catalog, or a run store; by default all shipped ones."
        ),
    ] = None,
) -> None:
    """Check suites, catalogs and run stores; exit with 1 if anything is wrong."""
    from benchkit.runs.validation import validate_path

    wrong = 0
    for finding in validate_path(path):
        wrong += not finding.ok
        sign = typer.style("ok   ", fg="green") if finding.ok else typer.style("wrong", fg="red")
        typer.echo(f"{sign} ", nl=False)
        echo(finding.subject + (f": {finding.detail}" if finding.detail else ""))
    if wrong:
        raise typer.Exit(1)
