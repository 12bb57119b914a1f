"""benchkit ls"""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from benchkit.console import VisibleConsole, echo_file


def ls_command(
    kind: Annotated[
        Literal["suites", "methods", "datasets", "judges", "rubrics", "runs"],
        typer.Argument(help="What to list."),
    ],
    out: Annotated[Path, typer.Option(help="The run store, for `ls runs`.")] = Path("runs"),
    as_json: Annotated[bool, typer.Option("--json", help="Everything, as JSON.")] = False,
) -> None:
    """List suites, methods and judges with their cards, rubrics, dataset sources or runs."""
    import json

    from benchkit.api import catalog

    listers: dict[str, Callable[[], list[dict[str, Any]]]] = {
        "suites": catalog.list_suites,
        "methods": lambda: catalog.list_components("method"),
        "datasets": catalog.list_sources,
        "judges": lambda: catalog.list_components("judge"),
        "rubrics": catalog.list_rubrics,
        "runs": lambda: catalog.list_runs(out),
    }
    entries = listers[kind]()
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
    console.print(Text(f"{len(entries)} entries{note}", style="dim"))


def _print_entries(entries: list[dict[str, Any]]) -> None:
    from rich.table import Table
    from rich.text import Text

    console = VisibleConsole()
    if not entries:
        console.print("none")
        return
    table = Table(*entries[0], box=None, header_style="bold", pad_edge=False)
    for entry in entries:
        values = (", ".join(map(str, v)) if isinstance(v, list) else str(v) for v in entry.values())
        table.add_row(*map(Text, values))
    console.print(table)
