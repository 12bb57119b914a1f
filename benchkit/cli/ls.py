"""benchkit ls"""

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from benchkit.console import VisibleConsole, echo_file
from benchkit.count_text import count_text


def ls_command(
    kind: Annotated[
        Literal["suites", "methods", "datasets", "judges", "rubrics", "runs"],
        typer.Argument(help="What to list."),
    ],
    name: Annotated[str, typer.Argument(help="Only this one; of runs, those of this suite.")] = "",
    out: Annotated[Path, typer.Option(help="The run store, for `ls runs`.")] = Path("runs"),
    as_json: Annotated[bool, typer.Option("--json", help="Everything, as JSON.")] = False,
    toml: Annotated[bool, typer.Option(help="Print the file of suite NAME, to copy it.")] = False,
) -> None:
    """List suites, methods and judges with their cards, rubrics, dataset sources or runs."""
    import json

    from benchkit.api import catalog

    if toml:
        echo_file(catalog.suite_text(name, kind))
        return
    entries = catalog.list_entries(kind, out, name)
    if as_json:
        echo_file(json.dumps(entries, indent=2, ensure_ascii=False, default=str) + "\n")
    elif kind in ("methods", "judges"):
        _print_cards(entries)
    else:
        _print_entries(entries)


def _print_cards(entries: list[dict[str, Any]]) -> None:
    from rich.padding import Padding
    from rich.text import Text

    console = VisibleConsole()
    for card in entries:
        head = Text(card["name"], style="bold")
        # Judges have no fidelity.
        kinds = [kind for kind in (card["family"], card["fidelity"]) if kind != "unknown"]
        head.append(f"  {', '.join(kinds)}", style="not bold cyan")
        if card["missing"]:
            head.append(f"  not installed: {', '.join(card['missing'])}", style="not bold red")
        console.print(head)
        lines = [card["summary"], card["paper"], *(f"- {text}" for text in card["deviations"])]
        for line in filter(None, lines):
            console.print(Padding(Text(line), (0, 0, 0, 4)))
    deviates = any(card["deviations"] for card in entries)
    note = "; lines with - are known deviations" * deviates
    console.print(Text(f"{count_text(len(entries), 'entry', 'entries')}{note}", style="dim"))


def _print_entries(entries: list[dict[str, Any]]) -> None:
    from rich.table import Table
    from rich.text import Text

    console = VisibleConsole()
    if not entries:
        console.print("none")
        return
    table = Table(*entries[0], box=None, header_style="bold", pad_edge=False)
    for entry in entries:
        table.add_row(*(Text(_in_words(value)) for value in entry.values()))
    console.print(table)


def _in_words(value: Any) -> str:
    """Return a value in a cell: of rows of a suite, the labels."""
    parts = value if isinstance(value, list) else [value]
    return ", ".join(str(part["label"] if isinstance(part, dict) else part) for part in parts)
