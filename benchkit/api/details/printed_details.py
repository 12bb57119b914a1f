"""Print a method, a judge or a data source in full, whole at any width of the terminal."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from benchkit.count_text import count_text

if TYPE_CHECKING:
    from rich.console import Console

_INDENT = 4


def print_component(console: "Console", details: Mapping[str, Any]) -> None:
    """Print what `describe_component` returned: the card, then every setting."""
    kinds = dict.fromkeys((details["family"], details["fidelity"]))
    head = [kind for kind in kinds if kind not in ("unknown", details["name"])]
    _print_head(console, details["name"], ", ".join(head))
    _print(console, details["summary"])
    missing = details["missing"]
    facts = {
        "Reference": details["paper"],
        "Capabilities": _list_capabilities(details),
        "Needs": ", ".join(
            f"{name} (not installed)" if name in missing else name for name in details["packages"]
        ),
        "Class": details["target"],
    }
    for title, text in facts.items():
        if text:
            _print(console, f"{title}: {text}")
    if details["deviations"]:
        _print(console, "Known deviations from the reference:")
        for text in details["deviations"]:
            _print(console, f"- {text}", 2)
    if details["problem"]:
        _print(console, f"Its settings cannot be read: {details['problem']}", style="red")
        return
    if not details["settings"]:
        _print(console, "It has no settings.")
        return
    console.print()
    _print_head(console, "Settings", "in a suite: config = { NAME = VALUE, ... } of its row")
    _print_settings(console, details["settings"])
    for name, table in details["tables"].items():
        console.print()
        _print_head(console, name, table["text"])
        _print_settings(console, table["settings"])


def print_source(console: "Console", details: Mapping[str, Any]) -> None:
    """Print what `describe_source` returned: what it reads, then every option."""
    _print_head(console, details["source"], details["what"])
    for paragraph in filter(None, details["text"].split("\n\n")):
        _print(console, paragraph)
    if details["datasets"]:
        _print(console, f"Datasets of shipped suites: {', '.join(details['datasets'])}")
    console.print()
    if not details["options"]:
        _print(console, "It has no options.")
        return
    _print_head(console, "Options", "in a suite: options = { NAME = VALUE, ... } of a dataset")
    _print_settings(console, details["options"])


def print_cards(console: "Console", cards: Sequence[Mapping[str, Any]]) -> None:
    """Print the cards of methods or judges, each with its summary, reference and deviations."""
    for card in cards:
        # Judges have no fidelity.
        kinds = [kind for kind in (card["family"], card["fidelity"]) if kind != "unknown"]
        missing = f"not installed: {', '.join(card['missing'])}" if card["missing"] else ""
        _print_head(console, card["name"], ", ".join(kinds), missing)
        lines = [card["summary"], card["paper"], *(f"- {text}" for text in card["deviations"])]
        for line in filter(None, lines):
            _print(console, line)
    deviates = any(card["deviations"] for card in cards)
    note = "; lines with - are known deviations" * deviates
    _print(console, f"{count_text(len(cards), 'entry', 'entries')}{note}", 0, "dim")


def _list_capabilities(details: Mapping[str, Any]) -> str:
    if "capabilities" not in details:  # of a judge
        return ""
    names = details["capabilities"]
    return "depend on its settings" if names is None else ", ".join(names)


def _print_settings(console: "Console", settings: Iterable[Mapping[str, str]]) -> None:
    from rich.padding import Padding
    from rich.text import Text

    for setting in settings:
        line = Text(setting["name"], style="bold")
        line.append(f"  {setting['type']}", style="not bold cyan")
        default = setting["default"]
        line.append("  required" if default == "required" else f"  = {default}", style="not bold")
        console.print(Padding(line, (0, 0, 0, _INDENT), expand=False))
        if setting["text"]:
            _print(console, setting["text"], 2)


def _print_head(console: "Console", title: str, text: str, problem: str = "") -> None:
    from rich.text import Text

    head = Text(title, style="bold").append(f"  {text}".rstrip(), style="not bold cyan")
    console.print(head.append(f"  {problem}".rstrip(), style="not bold red"))


def _print(console: "Console", text: str, depth: int = 1, style: str = "") -> None:
    from rich.padding import Padding
    from rich.text import Text

    line = Text(" ".join(text.split()), style=style)
    console.print(Padding(line, (0, 0, 0, _INDENT * depth), expand=False))
