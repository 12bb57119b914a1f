"""The `benchkit` command."""

import sys

import typer

from benchkit import __version__
from benchkit.cli.abtest import abtest
from benchkit.cli.agree import agree
from benchkit.cli.annotate import annotate
from benchkit.cli.cases import cases
from benchkit.cli.compare import compare
from benchkit.cli.data import app as data
from benchkit.cli.diagnose import diagnose
from benchkit.cli.doctor import doctor
from benchkit.cli.import_ import import_
from benchkit.cli.judge import judge
from benchkit.cli.ls import ls
from benchkit.cli.report import report
from benchkit.cli.run import run
from benchkit.cli.teach import teach
from benchkit.cli.validate import validate
from benchkit.errors import BenchkitError

app = typer.Typer(
    name="benchkit",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Exit codes: 0 all went well; 1 a run failed or a check found something; 2 wrong usage,"
    " suite or method; 3 bad data; 4 the run store; 130 interrupted.",
)
for command in (run, judge, ls, report, validate, doctor, teach, diagnose, agree):
    app.command()(command)
app.command()(compare)
app.command()(abtest)
app.command()(annotate)
app.command("import")(import_)
data.command()(cases)
app.add_typer(data, name="data")


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"benchkit {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: bool = typer.Option(
        False, "--version", callback=_version, is_eager=True, help="Print the version."
    ),
) -> None:
    """Benchmark recommenders that explain themselves, with numbers that can be believed."""


def main() -> None:
    """Run the command line; errors that a user can mend are shown without a traceback."""
    try:
        app()
    except BenchkitError as error:
        typer.secho(f"error: {error}", fg="red", err=True)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        typer.secho("interrupted: run the same command again to go on", fg="yellow", err=True)
        sys.exit(130)
