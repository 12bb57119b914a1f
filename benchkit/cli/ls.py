"""benchkit ls"""

import json
from collections.abc import Callable
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

import typer


class ListTarget(StrEnum):
    """What can be listed."""

    suites = "suites"
    methods = "methods"
    datasets = "datasets"
    judges = "judges"
    rubrics = "rubrics"
    runs = "runs"


def ls_command(
    kind: Annotated[ListTarget, typer.Argument(help="What to list.")],
    out: Annotated[Path, typer.Option(help="The run store, for `ls runs`.")] = Path("runs"),
    as_json: Annotated[bool, typer.Option("--json", help="Everything, as JSON.")] = False,
) -> None:
    """List suites, methods and judges with their cards, rubrics, dataset sources or runs."""
    listers: dict[ListTarget, Callable[[], list[dict[str, Any]]]] = {
        ListTarget.suites: _suites,
        ListTarget.methods: partial(_cards, "method"),
        ListTarget.datasets: _datasets,
        ListTarget.judges: partial(_cards, "judge"),
        ListTarget.rubrics: _rubrics,
        ListTarget.runs: partial(_runs, out),
    }
    entries = listers[kind]()
    if as_json:
        typer.echo(json.dumps(entries, indent=2, ensure_ascii=False, default=str))
        return
    if kind in (ListTarget.methods, ListTarget.judges):
        _print_cards(entries)
    else:
        _print_table(entries)


def _suites() -> list[dict[str, Any]]:
    from benchkit.config.suite import load_suite, shipped_suites

    return [
        {
            "name": suite.name,
            "title": suite.title,
            "datasets": [dataset.name for dataset in suite.datasets],
            "methods": [method.name for method in suite.methods],
        }
        for suite in map(load_suite, shipped_suites())
    ]


def _cards(kind: Literal["method", "judge"]) -> list[dict[str, Any]]:
    from benchkit.cards import list_cards

    return [
        {**card.model_dump(), "missing": card.missing_packages}
        for card in list_cards(kind).values()
    ]


def _datasets() -> list[dict[str, Any]]:
    from benchkit.data.sources import describe_sources

    return [{"source": name, "what": what} for name, what in describe_sources().items()]


def _rubrics() -> list[dict[str, Any]]:
    from benchkit.judging.rubric import list_rubrics, load_rubric

    rubrics = map(load_rubric, list_rubrics())
    return [
        {
            "name": rubric.name,
            "title": rubric.title,
            "criteria": [f"{c.name} {c.low}-{c.high}" for c in rubric.criteria],
            "hash": rubric.hash,
            "source": rubric.source,
        }
        for rubric in rubrics
    ]


def _runs(out: Path) -> list[dict[str, Any]]:
    from benchkit.runs.store import Store

    store = Store(out)
    listed = []
    for run in store.runs():
        manifest = run.manifest()
        if manifest is None:
            continue
        status: str = manifest.status
        if status == "started":
            status = "running" if store.is_locked(manifest.run_id) else "interrupted"
        listed.append(
            {
                "suite": manifest.suite, "task": manifest.task, "method": manifest.label,
                "seed": manifest.seed, "status": status, "started": manifest.started,
                "run_id": manifest.run_id,
            }
        )  # fmt: skip
    return listed


def _print_cards(entries: list[dict[str, Any]]) -> None:
    from rich.console import Console
    from rich.padding import Padding
    from rich.text import Text

    console = Console()
    for card in entries:
        head = Text(card["name"], style="bold")
        kinds = [card["family"], card["fidelity"]]
        shown = ", ".join(kind for kind in kinds if kind != "unknown")  # judges have no fidelity
        head.append(f"  {shown}", style="not bold cyan")
        if card["missing"]:
            head.append(f"  not installed: {', '.join(card['missing'])}", style="not bold red")
        console.print(head)
        lines = [card["summary"], card["paper"], *(f"- {text}" for text in card["deviations"])]
        for line in filter(None, lines):
            console.print(Padding(Text(line), (0, 0, 0, 4)))
    deviate = any(card["deviations"] for card in entries)
    note = "; lines with - are known deviations" * deviate
    console.print(Text(f"{len(entries)} entries{note}", style="dim"))


def _print_table(entries: list[dict[str, Any]]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console()
    if not entries:
        console.print("none")
        return
    table = Table(*entries[0], box=None, header_style="bold", pad_edge=False)
    for entry in entries:
        values = (", ".join(map(str, v)) if isinstance(v, list) else str(v) for v in entry.values())
        table.add_row(*map(Text, values))
    console.print(table)
