"""List what there is: suites, methods, judges, rubrics, data sources, runs."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

from benchkit.api.details.components import describe_component
from benchkit.api.details.printed_details import print_component, print_source
from benchkit.api.details.sources import describe_source
from benchkit.cards import list_cards
from benchkit.config.suite import list_shipped_suites, load_suite
from benchkit.data.sources import SOURCES, describe_sources
from benchkit.data.spec import DatasetSpec
from benchkit.errors import ConfigError, DamageError, unknown_name_error
from benchkit.runs.store import Store

PRINT_DETAILS = {
    "methods": print_component,
    "judges": print_component,
    "datasets": print_source,
    "sources": print_source,
}
"""Kind -> how the entry that `list_entries` returns for a name is printed."""
_DESCRIBE: dict[str, Callable[[str], dict[str, Any]]] = {
    "methods": lambda name: describe_component("method", name),
    "judges": lambda name: describe_component("judge", name),
    "datasets": describe_source,
    "sources": describe_source,
}


def list_suites() -> list[dict[str, Any]]:
    """Return the suites that come with benchkit: name, title, file, datasets, tasks and rows."""
    suites = [(load_suite(name), path) for name, path in list_shipped_suites().items()]
    return [
        {
            "name": suite.name,
            "title": suite.title,
            "file": str(path),
            "datasets": [dataset.name for dataset in suite.datasets],
            "tasks": [task.name for task in suite.tasks],
            "methods": [
                {"method": row.method, "label": row.name, "config": row.config}
                for row in suite.methods
            ],
        }
        for suite, path in suites
    ]


def suite_text(name: str, kind: str = "suites") -> str:
    """Return the TOML of a suite that comes with benchkit, as a copy that runs.

    It names no folder: the copy looks beside itself, then where the suite looks.

    Raises:
        ConfigError: There is no such suite, or the kind is another one.
    """
    if kind != "suites":
        raise ConfigError(f"{kind} are no TOML files", "benchkit ls suites NAME --toml")
    shipped = list_shipped_suites()
    if name not in shipped:
        raise unknown_name_error("suite", name, shipped)
    return shipped[name].read_text(encoding="utf-8")


def list_components(kind: Literal["method", "judge"]) -> list[dict[str, Any]]:
    """Return the cards of methods or judges, with the packages that are missing."""
    return [
        {**card.model_dump(), "missing": card.missing_packages}
        for card in list_cards(kind).values()
    ]


def list_sources() -> list[dict[str, Any]]:
    """Return the data sources, each with its first line of documentation."""
    return [{"source": name, "what": what} for name, what in describe_sources().items()]


def list_rubrics() -> list[dict[str, Any]]:
    """Return the rubrics that come with benchkit."""
    from benchkit.judging.rubric import load_rubric, rubric_files

    return [
        {
            "name": rubric.name,
            "title": rubric.title,
            "criteria": [f"{c.name} {c.low}-{c.high}" for c in rubric.criteria],
            "hash": rubric.hash,
            "source": rubric.source,
        }
        for rubric in map(load_rubric, rubric_files())
    ]


def list_runs(store: Path) -> list[dict[str, Any]]:
    """Return the runs of a store, each with its state."""
    records = Store(store)
    rows: list[dict[str, Any]] = []
    for run in records.runs():
        try:
            manifest = run.manifest()
        except DamageError:
            place = dict(zip(("suite", "task", "method"), run.path.parts[-4:-1], strict=True))
            rows.append(
                {**place, "seed": None, "status": "damaged", "started": "",
                 "run_id": run.path.name}
            )  # fmt: skip
            continue
        if manifest is None:
            continue
        status: str = manifest.status
        if status == "started":
            status = "running" if records.is_locked(manifest.run_id) else "interrupted"
        rows.append(
            {
                "suite": manifest.suite, "task": manifest.task, "method": manifest.label,
                "seed": manifest.seed, "status": status, "started": manifest.started,
                "run_id": manifest.run_id,
            }
        )  # fmt: skip
    return rows


def list_entries(kind: str, store: Path, name: str = "") -> list[dict[str, Any]]:
    """Return what there is of a kind that `benchkit ls` knows.

    Args:
        kind: "suites", "methods", "datasets" or "sources", "judges", "rubrics" or "runs".
        store: Where the runs are.
        name: Only the entry of this name, of methods, judges and sources with all their settings;
            of runs, those of this suite.

    Raises:
        ConfigError: There is no such entry.
    """
    listers: dict[str, Callable[[], list[dict[str, Any]]]] = {
        "suites": list_suites,
        "methods": lambda: list_components("method"),
        "datasets": list_sources,
        "sources": list_sources,
        "judges": lambda: list_components("judge"),
        "rubrics": list_rubrics,
        "runs": lambda: list_runs(store),
    }
    if name and kind in _DESCRIBE:
        return [_DESCRIBE[kind](name)]
    entries = listers[kind]()
    names = [str(next(iter(entry.values()))) for entry in entries]
    if name and name not in names:
        raise unknown_name_error(kind.removesuffix("s"), name, names)
    return [entry for entry, first in zip(entries, names, strict=True) if name in ("", first)]


def select_datasets(
    suite: str = "", names: Sequence[str] = (), trust: bool = False
) -> list[DatasetSpec]:
    """Return datasets of a suite; without a suite, those of any shipped one, then sources.

    Args:
        suite: A suite by name, or the path of a TOML file.
        names: Names of datasets, each once; all by default.
        trust: Whether code that the file names may run wherever the file is from.

    Raises:
        ConfigError: There is no such suite or dataset.
    """
    known: dict[str, DatasetSpec] = {}
    if not suite:
        known = {source: DatasetSpec(name=source, source=source) for source in SOURCES}
    for path in [suite] if suite else reversed(list_shipped_suites()):
        known |= {spec.name: spec for spec in load_suite(path, trust=trust).datasets}
    for name in names:
        if name not in known:
            raise unknown_name_error("dataset", name, known)
    return [known[name] for name in names or known]
