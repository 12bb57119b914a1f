"""benchkit export: datasets and results in the formats of other tools."""

import typer

from benchkit.cli.export.recbole import export_recbole_command
from benchkit.cli.repeated_options import StrictCommand

export_app = typer.Typer(
    no_args_is_help=True, help="Write datasets and results in the formats of other tools."
)
export_app.command("recbole", cls=StrictCommand)(export_recbole_command)
