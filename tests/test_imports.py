"""Which way imports run, and what starting up may load."""

import ast
import subprocess
import sys
import time
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import benchkit

ROOT = Path(benchkit.__file__).parents[1]
PACKAGES = ("benchkit", "baselines", "judges")
HEAVY = ("torch", "transformers", "pandas", "recbole", "sklearn", "matplotlib", "openai", "peft")

# Modules that everybody may import. They import nothing but each other.
_BASE = {"config.loading", "console", "count_text", "csv_cells", "errors", "faults", "files",
         "files.checksums", "files.hub_cache", "files.shared_lock", "fingerprint", "interactive",
         "io", "key_access", "rating_scale", "registry", "seeds", "types",
         "visible_text"}  # fmt: skip
# Room -> the rooms of benchkit that it may import. A room is a module or a package with all that is
# in it, except what is a room of its own here. A new module needs no line in a room that has one.
ALLOWED = {
    "__init__": set(),  # the public face: it imports the API when a name of it is used
    "__main__": {"cli"},
    "errors": set(),
    "faults": {"errors"},
    "count_text": set(),
    "seeds": set(),
    "fingerprint": {"files", "files.hub_cache"},
    "source_hash": set(),
    "process_state": set(),
    "rating_scale": set(),
    "types": {"rating_scale", "seeds"},
    "interactive": {"errors", "fingerprint"},
    "visible_text": set(),
    "csv_cells": set(),
    "console": {"count_text", "visible_text"},
    "io": {"errors", "files"},
    "files": {"errors"},
    "files.hub_cache": {"process_state"},
    "files.checksums": {"errors", "io", "types"},
    "files.shared_lock": {"types"},
    "registry": {"errors"},
    "config.loading": {"errors"},
    "key_access": {"errors", "config.loading"},
    "stats": {*_BASE},
    "data": {*_BASE, "source_hash", "stats"},
    "runs.progress": {*_BASE},
    "growth": set(),
    "runs.estimates.expected_costs": {*_BASE},
    "runs.estimates.cost_texts": {*_BASE, "runs.estimates.expected_costs"},
    "runs.records": {*_BASE, "runs.estimates.expected_costs", "runs.progress"},
    "runs.record_values": set(),
    "runs.provenance": {*_BASE, "__init__"},
    "runs.ledger": {*_BASE},
    "runs.plan_merging": {*_BASE, "runs.records"},
    "runs.record_files": {*_BASE, "runs.ledger", "runs.records"},
    "runs.record_tables": {*_BASE, "runs.record_files", "runs.records"},
    "runs.run_folder": {*_BASE, "runs.ledger", "runs.record_files", "runs.record_tables",
                        "runs.records"},
    "runs.store": {*_BASE, "runs.ledger", "runs.plan_merging", "runs.record_files",
                   "runs.records", "runs.run_folder"},
    "evaluation": {*_BASE, "data", "runs.records", "stats"},
    "lm": {*_BASE, "data.preparation.candidates", "process_state", "source_hash"},
    "training": {*_BASE, "evaluation.metrics", "evaluation.validation_ndcg", "lm", "process_state",
                 "source_hash"},
    "cards": {*_BASE, "growth", "lm.engines", "lm.teachers", "source_hash"},
    "config": {*_BASE, "data", "evaluation"},
    "processes": {*_BASE, "cards", "data.answer_keys", "data.request_batch",
                  "evaluation.predict", "lm.generation_cache", "source_hash"},
    "judging": {*_BASE, "cards", "config", "data", "evaluation", "lm", "runs.progress",
                "runs.provenance", "runs.record_values", "runs.records", "runs.store",
                "source_hash", "stats"},
    "runs": {*_BASE, "cards", "config", "data", "evaluation", "growth", "judging", "lm.backbones",
             "lm.cached_generator", "lm.config", "lm.data_parallel", "lm.engines",
             "lm.generation_cache", "lm.nano.build", "lm.types", "processes",
             "runs.estimates.cost_texts", "runs.estimates.expected_costs", "runs.progress",
             "runs.provenance", "runs.record_tables",
             "runs.records", "runs.store", "source_hash"},
    "report": {*_BASE, "cards", "data.dataset_statistics", "data.readers.delimited_text",
               "evaluation.lookup", "evaluation.protocols.base", "runs.estimates.expected_costs",
               "runs.estimates.cost_texts", "runs.record_values", "runs.records", "runs.store",
               "stats"},
    "interop": {*_BASE, "config", "data", "evaluation", "lm", "runs", "runs.progress",
                "runs.provenance", "runs.records", "runs.store", "source_hash"},
    "testing": {*_BASE, "config", "data", "evaluation", "judging", "lm", "runs", "runs.progress",
                "runs.store"},
}  # fmt: skip
ALLOWED["api"] = {*ALLOWED} - {"__main__", "testing"}
ALLOWED["cli"] = {*ALLOWED} - {
    "__main__", "evaluation", "fingerprint", "process_state", "registry", "seeds", "source_hash",
    "testing", "training",
}  # fmt: skip
# What methods and judges may import: nothing of the harness that runs and reads them.
PLUG_INS = {
    "baselines": {*_BASE, "cards", "evaluation.metrics", "evaluation.validation_ndcg", "lm",
                  "process_state", "training"},
    "judges": {*_BASE, "cards", "config", "data", "judging", "lm", "runs.record_values",
               "runs.records", "runs.store", "stats"},
}  # fmt: skip


@cache
def modules() -> dict[str, Path]:
    """Name -> file of every module; a package is called by its name alone."""
    found = {}
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imported(name: str, everywhere: bool) -> set[str]:
    """Modules of ours that a module imports.

    everywhere: also inside functions and for type checking only.
    """
    names = set()
    todo: list[ast.AST] = [ast.parse(modules()[name].read_text(encoding="utf-8"))]
    while todo:
        node = todo.pop()
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                member = f"{node.module}.{alias.name}"
                names.add(member if member in modules() else node.module)
        deferred = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) or (
            isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        )
        if everywhere or not deferred:
            todo += ast.iter_child_nodes(node)
    return (names & modules().keys()) - {name}


def contains(rooms: set[str], name: str) -> str:
    """The room among `rooms` that a module of benchkit is in; the innermost one, or ''."""
    inner = name.removeprefix("benchkit").removeprefix(".") or "__init__"
    candidates = [room for room in rooms if inner == room or inner.startswith(f"{room}.")]
    return max(candidates, key=len, default="")


def forbidden(name: str, room: str, allowed: set[str]) -> set[str]:
    """What a module imports from rooms that its own may not import."""
    wrong = set()
    for other in imported(name, everywhere=name != "benchkit"):  # it names the API to type checkers
        if other.partition(".")[0] != "benchkit" or contains({*ALLOWED}, other) == room:
            continue
        within = contains(allowed, other)
        # A room that is not allowed may lie in one that is.
        if not within or len(contains({*ALLOWED}, other)) > len(within):
            wrong.add(other)
    return wrong


def circle(graph: dict[str, set[str]]) -> list[str]:
    """A circle in a graph, or nothing."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return error.args[1]
    return []


def test_these_checks_find_something():
    assert "benchkit.runs.store" in forbidden("benchkit.report.core.case_values", "report", _BASE)
    assert forbidden("benchkit.report.core.case_values", "report", {*_BASE, "runs"})
    assert circle({"a": {"b"}, "b": {"c"}, "c": {"a"}})
    everywhere = imported("benchkit.cli.run", everywhere=True)
    assert "benchkit.api" in everywhere - imported("benchkit.cli.run", everywhere=False)


def test_every_module_belongs_to_a_room():
    ours = [name for name in modules() if name.startswith("benchkit.")]
    assert not [name for name in ours if not contains({*ALLOWED}, name)]


def test_rooms_are_in_an_order():
    # A dotted name that is no room stands for the room that it is in.
    graph = {
        room: {contains({*ALLOWED}, f"benchkit.{other}") for other in allowed} - {room}
        for room, allowed in ALLOWED.items()
    }
    assert not circle(graph)


@pytest.mark.parametrize("room", ALLOWED)
def test_rooms_import_one_way(room):
    for name in modules():
        if name.partition(".")[0] == "benchkit" and contains({*ALLOWED}, name) == room:
            extra = forbidden(name, room, ALLOWED[room])
            assert not extra, f"{name} imports {extra}"


@pytest.mark.parametrize("package", PLUG_INS)
def test_methods_and_judges_do_not_reach_into_the_harness(package):
    for name in modules():
        if name.partition(".")[0] == package:
            extra = forbidden(name, package, PLUG_INS[package])
            assert not extra, f"{name} imports {extra}"


def test_nobody_imports_methods_or_judges():
    for name in modules():
        top = name.partition(".")[0]
        extra = {other for other in imported(name, everywhere=True) if not other.startswith(top)}
        assert not {other.partition(".")[0] for other in extra} - {"benchkit"}, name


def test_no_modules_import_each_other():
    # An import inside a function, or for type checking only, cannot fail at start; the rooms above
    # hold for it all the same.
    assert not circle({name: imported(name, everywhere=False) for name in modules()})


def loaded_by(code: str) -> set[str]:
    code += "\nimport sys; print(','.join(m for m in sys.modules if '.' not in m))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(out.stdout.strip().splitlines()[-1].split(","))


@pytest.mark.parametrize(
    "code",
    [
        "import benchkit",
        "import benchkit.runs.plan, benchkit.cards; benchkit.cards.list_cards()",
        "from typer.testing import CliRunner\nfrom benchkit.cli.main import app\n"
        "assert CliRunner().invoke(app, ['--help']).exit_code == 0",
        "from benchkit import cards\n[cards.load_class(c) for c in cards.list_cards().values()]",
        "from benchkit import cards\n"  # planning constructs every method of a suite
        "[cards.construct(c, cards.build_config(c, {}))"
        " for n, c in cards.list_cards().items() if '*' not in n]",
    ],
)
def test_nothing_heavy_is_loaded_before_it_is_used(code):
    assert not loaded_by(code) & set(HEAVY)


@pytest.mark.slow
def test_the_command_line_starts_at_once():
    # Generous: the figure belongs to a benchmark; this only catches a heavy import.
    start = time.perf_counter()
    subprocess.run([sys.executable, "-m", "benchkit", "--help"], capture_output=True, check=True)
    assert time.perf_counter() - start < 5
