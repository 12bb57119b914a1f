"""The command line, called in this process."""

from typing import Any

from typer.testing import CliRunner, Result

from benchkit.cli.main import app
from benchkit.errors import BenchkitError


def invoked(*arguments: Any, code: int = 0) -> Result:
    """What `benchkit ARGUMENTS` gave. Raises the error that a person would be shown."""
    done = CliRunner().invoke(app, list(map(str, arguments)))
    if isinstance(done.exception, BenchkitError):
        raise done.exception
    assert done.exit_code == code, done.output
    return done


def said(*arguments: Any) -> str:
    """What it printed to standard output."""
    return invoked(*arguments).stdout
