"""benchkit ls"""

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from benchkit.console import VisibleConsole, echo_file


def ls_command(
    kind: Annotated[
        Literal["suites", "methods", "datasets", "sources", "judges", "rubrics", "runs"],
        typer.Argument(help="What to list."),
    ],
    name: Annotated[
        str, typer.Argument(help="Only this one, in full; of runs, those of this suite.")
    ] = "",
    out: Annotated[Path, typer.Option(help="The run store, for `ls runs`.")] = Path("runs"),
    as_json: Annotated[bool, typer.Option("--json", help="Everything, as JSON.")] = False,
    toml: Annotated[bool, typer.Option(help="Print the file of suite NAME, to copy it.")] = False,
) -> None:
    """List suites, methods, judges, rubrics, dataset sources or runs; NAME: one with all it has.

    Of a method or judge that is its card and every setting, of a source every option.
    """
    import json

    from benchkit.api import catalog

    if toml:
        echo_file(catalog.suite_text(name, kind))
        return
    entries = catalog.list_entries(kind, out, name)
    if name and not as_json and kind in catalog.PRINT_DETAILS:
        catalog.PRINT_DETAILS[kind](VisibleConsole(), entries[0])
    elif as_json:
        echo_file(json.dumps(entries, indent=2, ensure_ascii=False, default=str) + "\n")
    elif kind in ("methods", "judges"):
        _print_cards(entries)
    else:
        _print_entries(entries)


def _print_cards(entries: list[dict[str, Any]]) -> None:
    from benchkit.api.details.printed_details import print_cards

    print_cards(VisibleConsole(), entries)


def _print_entries(entries: list[dict[str, Any]]) -> None:
    """Print a table where there is room for it, else a paragraph an entry: nothing is cut."""
    from rich.measure import Measurement
    from rich.padding import Padding
    from rich.table import Table
    from rich.text import Text

    console = VisibleConsole()
    table = Table(*(entries[0] if entries else ()), box=None, header_style="bold", pad_edge=False)
    for entry in entries:
        table.add_row(*(Text(_in_words(value)) for value in entry.values()))
    unlimited = console.options.update_width(10**6)
    if not entries or Measurement.get(console, unlimited, table).maximum <= console.width:
        console.print(table if entries else "none")
        return
    for entry in entries:
        (_, name), *rest = entry.items()
        console.print(Text(_in_words(name), style="bold"))
        for title, value in rest:
            console.print(Padding(Text(f"{title}: {_in_words(value)}"), (0, 0, 0, 4), expand=False))


def _in_words(value: Any) -> str:
    """Return a value in a cell: of rows of a suite, the labels."""
    parts = value if isinstance(value, list) else [value]
    return ", ".join(str(part["label"] if isinstance(part, dict) else part) for part in parts)
