"""benchkit doctor"""

from pathlib import Path
from typing import Annotated

import typer

from benchkit.cli import options
from benchkit.console import echo, echo_file


def doctor_command(
    as_json: Annotated[bool, typer.Option("--json", help="The findings as JSON.")] = False,
    out: options.StoreOption = Path("runs"),
    data: options.DataFolderOption = Path("data"),
) -> None:
    """Say what is installed, what is missing, and the command that installs it.

    Each optional package has a line, and so have GPU, disk, memory and data; the last line is the
    verdict.
    """
    import json
    from dataclasses import asdict

    from benchkit.runs.installation import check_installation, summarize_installation

    findings = check_installation(data, out)
    if as_json:
        echo_file(json.dumps([asdict(finding) for finding in findings], indent=2) + "\n")
    else:
        for finding in findings:
            sign = (
                typer.style("ok     ", fg="green")
                if finding.ok
                else typer.style("missing", fg="red")
            )
            typer.echo(f"{sign} ", nl=False)
            echo(f"{finding.subject}: {finding.detail}")
            if not finding.ok:
                echo(f"        {finding.reason}\n        hint: {finding.hint}")
        works, verdict = summarize_installation(findings)
        echo(f"verdict: {verdict}", fg="green" if works else "red")
    if any(finding.required and not finding.ok for finding in findings):
        raise typer.Exit(1)
