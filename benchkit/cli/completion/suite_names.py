"""Names of suites and of what stands in them, for completion."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchkit.cli.completion import suite_files

_READS_STORE = ("report", "compare", "diagnose", "judge")  # commands


def complete_suites(ctx: Any, incomplete: str) -> Iterator[str]:
    """Yield suites: those of the run store, or the shipped ones and the files below what is typed.

    Args:
        ctx: The context of the command, with the options that stand before the cursor.
        incomplete: What is typed of the name.
    """
    if ctx.command.name in _READS_STORE:
        yield from suite_files.list_stored_suites(ctx)
        return
    yield from suite_files.list_shipped_names()
    folder = incomplete.rpartition("/")[0]
    for path in sorted(Path(folder or ".").iterdir()):
        name = f"{folder}/{path.name}" if folder else path.name
        if path.suffix == ".toml" or (path.is_dir() and folder):
            yield name if path.is_file() else f"{name}/"


def complete_methods(ctx: Any, _: str) -> Iterator[str]:
    """Yield the rows of the suite that is named, then all methods where any may be named."""
    stored = ctx.command.name in _READS_STORE
    suite = suite_files.read_typed_suite(ctx, stored)
    yield from suite.get("labels", [])  # of a plan
    for row in suite.get("methods", []):
        yield row.get("label") or row["method"]
    if not stored:
        from benchkit.cards import list_cards

        yield from (name for name in list_cards() if "*" not in name)


def complete_tasks(ctx: Any, _: str) -> Iterator[str]:
    """Yield the tasks of the suite that is named, else its datasets."""
    suite = suite_files.read_typed_suite(ctx, ctx.command.name in _READS_STORE)
    for entry in suite.get("tasks") or suite.get("datasets", []):
        yield entry if isinstance(entry, str) else entry["name"]


def complete_protocols(ctx: Any, _: str) -> list[str]:
    """Return the protocols of the suite that is named."""
    suite = suite_files.read_typed_suite(ctx, ctx.command.name in _READS_STORE)
    return list(suite.get("protocols", ()))


def complete_datasets(*_: Any) -> Iterator[str]:
    """Yield the datasets of all shipped suites."""
    for name in suite_files.list_shipped_names():
        for entry in suite_files.read_shipped(name).get("datasets", []):
            yield entry["name"]
