"""What the shell completes behind an option or an argument, by the parameter's name.

    benchkit --install-completion

A completer is called with the words before the cursor, and returns names. Nothing heavy is
imported: names of suites and files are read off folders, and those of rows off TOML and plans.
"""

from collections.abc import Callable, Iterable
from typing import Any

from benchkit.cli.completion import part_names, suite_names

Completer = Callable[[Any, str], Iterable[str]]

_COMPLETERS: dict[str, Completer] = {
    "suite": suite_names.complete_suites,
    "method": suite_names.complete_methods,
    "against": suite_names.complete_methods,
    "interference": suite_names.complete_methods,
    "dataset": suite_names.complete_tasks,
    "task": suite_names.complete_tasks,
    "judge": part_names.complete_judges,
    "rubric": part_names.complete_rubrics,
    "protocol": suite_names.complete_protocols,
}
_COMPLETERS_OF: dict[tuple[str, str], Completer] = {
    ("ls", "name"): part_names.complete_listed,
    ("fetch", "name"): suite_names.complete_datasets,
}
"""(command, parameter) -> what is completed, where the parameter's name alone does not say it."""


def add_completion(command: Any) -> None:
    """Let the shell complete the names that parameters of a command take."""
    for parameter in command.params:
        key = (command.name, parameter.name)
        completer = _COMPLETERS_OF.get(key) or _COMPLETERS.get(parameter.name)
        if completer is not None:
            # What typer fills from `autocompletion=`, which would have to stand at each option.
            parameter._custom_shell_complete = _as_shell_complete(completer)


def _as_shell_complete(completer: Completer) -> Callable[..., list[str]]:
    """Return a completer as typer calls it: commas separate names, and a fault completes nothing.

    A completion must never print an error into somebody's command line.
    """

    def complete(ctx: Any, _parameter: Any, incomplete: str) -> list[str]:
        before, comma, last = incomplete.rpartition(",")
        try:
            names = list(completer(ctx, last))
        except Exception:
            return []
        written = set(before.split(","))
        return [
            f"{before}{comma}{name}"
            for name in dict.fromkeys(names)
            if name.startswith(last) and name not in written
        ]

    return complete
