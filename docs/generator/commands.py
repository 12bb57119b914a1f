"""Page of every command with its arguments and options."""

from collections.abc import Iterator
from typing import Any

import typer

from benchkit.cli.main import app
from docs.generator.markdown import anchor, heading, page, prose, table


def list_commands() -> Iterator[tuple[str, Any]]:
    """Yield (name, command) of all commands that are not hidden, `data prepare` as one name."""
    yield from _walk("", typer.main.get_command(app))


def _walk(prefix: str, group: Any) -> Iterator[tuple[str, Any]]:
    for name, command in group.commands.items():
        if command.hidden:
            continue
        if hasattr(command, "commands"):
            yield from _walk(f"{prefix}{name} ", command)
        else:
            yield f"{prefix}{name}", command


def list_parameters(command: Any) -> Iterator[tuple[str, str]]:
    """Yield how each parameter is written, and what it does, as `--help` prints them."""
    context = typer.Context(command)
    for parameter in command.params:
        record = parameter.get_help_record(context)
        if record is None or parameter.name == "help":
            continue
        usage, text = record
        name = parameter.name or ""
        if parameter.param_type_name == "argument":
            usage = usage.replace(name, name.upper(), 1)
        yield f"`{usage}`", prose(text).replace("[", "\\[")


def _first_paragraph(text: str | None) -> str:
    return (text or "").partition("\n\n")[0]


def write_commands() -> dict[str, str]:
    """Return path -> text of the page of commands."""
    group: Any = typer.main.get_command(app)
    blocks = [
        "# Commands",
        "Generated from the command line itself; `benchkit COMMAND --help` prints the same.",
        prose(group.epilog),
        table(
            ("command", "what it does"),
            [
                (f"[`benchkit {name}`](#{anchor(name)})", prose(_first_paragraph(command.help)))
                for name, command in list_commands()
            ],
        ),
        "Options of all commands, before or behind a command's name:",
        table(("option", "what it does"), list_parameters(group)),
    ]
    for name, command in list_commands():
        rows = list(list_parameters(command))
        blocks += [heading(2, f"benchkit {name}", name), prose(command.help or "")]
        if rows:
            blocks.append(table(("option", "what it does"), rows))
    return {"reference/commands.md": page(*blocks)}
