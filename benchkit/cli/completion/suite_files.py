"""Suites and plans as files, read without a check: for completion, which must be quick."""

import json
import tomllib
from pathlib import Path
from typing import Any

import benchkit

_SUITES = Path(str(benchkit.__file__)).parent / "suites"


def list_shipped_names() -> list[str]:
    """Return the suites that come with benchkit."""
    return sorted(path.stem for path in _SUITES.glob("*.toml"))


def list_stored_suites(ctx: Any) -> list[str]:
    """Return the suites of the store that a command reads, as far as it is typed."""
    return sorted(path.parent.name for path in _store_of(ctx).glob("*/plan.json"))


def read_shipped(name: str) -> dict[str, Any]:
    """Return the content of a suite that comes with benchkit."""
    return _read_toml(_SUITES / f"{name}.toml")


def read_typed_suite(ctx: Any, stored: bool) -> dict[str, Any]:
    """Return the suite that stands before the cursor, {} without one.

    Args:
        ctx: The context of the command.
        stored: Whether its plan in the run store comes first.
    """
    name = str(ctx.params.get("suite") or "")
    plan = _store_of(ctx) / name / "plan.json"
    if name and stored and plan.is_file():
        content: dict[str, Any] = json.loads(plan.read_text(encoding="utf-8"))
        return content
    file = Path(name) if name.endswith(".toml") else _SUITES / f"{name}.toml"
    return _read_toml(file) if file.is_file() else {}


def _store_of(ctx: Any) -> Path:
    return Path(ctx.params.get("out") or "runs")


def _read_toml(path: Path) -> dict[str, Any]:
    return tomllib.loads(path.read_text(encoding="utf-8"))
