"""The `benchkit` command."""

import sys

import typer

from benchkit import io
from benchkit.cli.abtest import abtest_command
from benchkit.cli.agree import agree_command
from benchkit.cli.annotate import annotate_command
from benchkit.cli.compare import compare_command
from benchkit.cli.data import data_app
from benchkit.cli.diagnose import diagnose_command
from benchkit.cli.doctor import doctor_command
from benchkit.cli.export import export_app
from benchkit.cli.import_ import import_command
from benchkit.cli.judge import judge_command
from benchkit.cli.judging.anchors import anchors_command
from benchkit.cli.judging.pairs import pairs_command
from benchkit.cli.ls import ls_command
from benchkit.cli.rationales import rationales_command
from benchkit.cli.repeated_options import StrictCommand
from benchkit.cli.report import report_command
from benchkit.cli.root_group import KeysOption, RootGroup, VersionOption
from benchkit.cli.run import run_command
from benchkit.cli.validate import validate_command
from benchkit.console import discard_full_output, echo
from benchkit.errors import BenchkitError

app = typer.Typer(
    name="benchkit",
    cls=RootGroup,
    no_args_is_help=True,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Exit codes: 0 all went well; 1 a run failed or a check found something; 2 wrong usage,"
    " suite or method; 3 bad data; 4 the run store; 130 interrupted.",
)
app.command("run", cls=StrictCommand)(run_command)
app.command("judge", cls=StrictCommand)(judge_command)
app.command("pairs", cls=StrictCommand)(pairs_command)
app.command("anchors", cls=StrictCommand)(anchors_command)
app.command("ls", cls=StrictCommand)(ls_command)
app.command("report", cls=StrictCommand)(report_command)
app.command("validate", cls=StrictCommand)(validate_command)
app.command("doctor", cls=StrictCommand)(doctor_command)
app.command("rationales", cls=StrictCommand)(rationales_command)
app.command("teach", hidden=True, cls=StrictCommand)(rationales_command)  # the name before 0.2
app.command("diagnose", cls=StrictCommand)(diagnose_command)
app.command("agree", cls=StrictCommand)(agree_command)
app.command("compare", cls=StrictCommand)(compare_command)
app.command("abtest", cls=StrictCommand)(abtest_command)
app.command("annotate", cls=StrictCommand)(annotate_command)
app.command("import", cls=StrictCommand)(import_command)
app.add_typer(data_app, name="data")
app.add_typer(export_app, name="export")


@app.callback()
def _root_command(version: VersionOption = False, keys: KeysOption = None) -> None:
    """Benchmark recommenders that explain themselves, with numbers that can be believed."""


def main() -> None:
    """Run the command line; errors that a user can fix are shown without a traceback."""
    try:
        app()
    except KeyboardInterrupt:
        echo("interrupted: run the same command again to go on", fg="yellow", err=True)
        sys.exit(130)
    except Exception as error:
        problem = error if isinstance(error, BenchkitError) else io.disk_error(error)
        if problem is None:
            raise
        discard_full_output()
        echo(f"error: {problem}", fg="red", err=True)
        sys.exit(problem.exit_code)
