"""The group of all commands: options that all share, and errors of the operating system."""

import os
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from benchkit import __version__
from benchkit.console import echo
from benchkit.errors import DataError


def _print_version(value: bool) -> None:
    if value:
        typer.echo(f"benchkit {__version__}")
        raise typer.Exit


def _use_keys(folder: Path | None) -> None:
    if folder is not None:
        from benchkit.data.answer_keys import KEYS_VARIABLE

        os.environ[KEYS_VARIABLE] = str(folder.resolve())


VersionOption = Annotated[
    bool,
    typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version."),
]
KeysOption = Annotated[
    Path | None,
    typer.Option(
        callback=_use_keys,
        metavar="FOLDER",
        help="Where answer keys are kept, apart from data and store; by default $BENCHKIT_KEYS,"
        " or a folder of your own state. May stand behind the command, too.",
    ),
]


class RootGroup(TyperGroup):
    """Takes options of all commands behind a command's name as well.

    What the operating system refuses is an error that a user can fix.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        for parameter in self.params:
            if getattr(parameter, "is_flag", False):
                parameter.metavar = ""  # which help prints instead of <bool>

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        place = next((i for i, text in enumerate(args) if text.partition("=")[0] == "--keys"), 0)
        if place:
            stop = place + (1 if "=" in args[place] else 2)
            args = [*args[place:stop], *args[:place], *args[stop:]]
        return super().parse_args(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        from benchkit.io import disk_error

        try:
            return super().invoke(ctx)
        except KeyboardInterrupt as interrupt:  # typer would end without a word
            what = str(interrupt) or "run the same command again to go on"
            echo(f"interrupted: {what}", fg="yellow", err=True)
            raise typer.Exit(130) from interrupt
        except BrokenPipeError:
            raise  # of `benchkit ... | head`
        except OSError as error:
            if disk_error(error) is not None:
                raise
            place = f"{error.filename}: " if error.filename else ""
            raise DataError(
                f"{place}{error.strerror or error}", "check the path, and who may read and write it"
            ) from error
