"""Names of judges, rubrics and data sources, and of what `benchkit ls` lists, for completion."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import benchkit
from benchkit.cli.completion import suite_files


def complete_judges(*_: Any) -> Iterable[str]:
    """Return the judges of the catalogs."""
    from benchkit.cards import list_cards

    return list(list_cards("judge"))


def complete_rubrics(*_: Any) -> Iterable[str]:
    """Return the rubrics that come with benchkit."""
    folder = Path(str(benchkit.__file__)).parent / "judging" / "rubrics"
    return sorted(path.stem for path in folder.glob("*.toml"))


def complete_listed(ctx: Any, _: str) -> Iterable[str]:
    """Return the names that `benchkit ls KIND` would list."""
    kind = ctx.params["kind"]
    if kind == "suites":
        return suite_files.list_shipped_names()
    if kind == "runs":
        return suite_files.list_stored_suites(ctx)
    if kind == "methods":
        from benchkit.cards import list_cards

        return [name for name in list_cards() if "*" not in name]
    if kind in ("datasets", "sources"):
        from benchkit.data.sources import SOURCES

        return list(SOURCES)
    return complete_judges() if kind == "judges" else complete_rubrics()
