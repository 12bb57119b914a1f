"""benchkit data: get, prepare, measure and examine data."""

import typer

from benchkit.cli.data.audit import data_audit_command
from benchkit.cli.data.cases import data_cases_command
from benchkit.cli.data.describe import data_describe_command
from benchkit.cli.data.fetch import data_fetch_command
from benchkit.cli.data.prepare import data_prepare_command
from benchkit.cli.repeated_options import StrictCommand

data_app = typer.Typer(no_args_is_help=True, help="Look at datasets and cases, ours and others'.")
data_app.command("fetch", cls=StrictCommand)(data_fetch_command)
data_app.command("prepare", cls=StrictCommand)(data_prepare_command)
data_app.command("describe", cls=StrictCommand)(data_describe_command)
data_app.command("audit", cls=StrictCommand)(data_audit_command)
data_app.command("cases", cls=StrictCommand)(data_cases_command)
