"""benchkit doctor"""

from typing import Annotated

import typer

from benchkit.console import echo, echo_file


def doctor_command(
    as_json: Annotated[bool, typer.Option("--json", help="The findings as JSON.")] = False,
) -> None:
    """Say what is installed, what is missing, and the command that installs it."""
    import json
    from dataclasses import asdict

    from benchkit.runs.installation import check_installation

    findings = check_installation()
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
    if any(finding.required and not finding.ok for finding in findings):
        raise typer.Exit(1)
