"""benchkit export: datasets and results in the formats of other tools."""

import typer

from benchkit.cli.export.dataset import export_dataset_command
from benchkit.cli.export.recbole import export_recbole_command
from benchkit.cli.export.results import (
    export_eval_results_command,
    export_every_eval_command,
    export_tables_command,
)
from benchkit.cli.export.trec import export_trec_command
from benchkit.cli.repeated_options import StrictCommand

export_app = typer.Typer(
    no_args_is_help=True, help="Write datasets and results in the formats of other tools."
)
export_app.command("dataset", cls=StrictCommand)(export_dataset_command)
export_app.command("recbole", cls=StrictCommand)(export_recbole_command)
export_app.command("trec", cls=StrictCommand)(export_trec_command)
export_app.command("tables", cls=StrictCommand)(export_tables_command)
export_app.command("every-eval", cls=StrictCommand)(export_every_eval_command)
export_app.command("eval-results", cls=StrictCommand)(export_eval_results_command)
