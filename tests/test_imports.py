"""Which way imports run, and what starting up may load."""

import ast
import subprocess
import sys
import time
from pathlib import Path

import pytest

import benchkit

ROOT = Path(benchkit.__file__).parent
HEAVY = ("torch", "transformers", "pandas", "recbole", "sklearn", "matplotlib", "openai", "peft")
_MODELS = {"protocols", "errors", "seeds", "files", "lazy", "metrics", "isolation"}
# package -> what of benchkit it may import: modules, or packages with all that is in them.
ALLOWED = {
    "lm": {"lm", "identity", "data.words", "data.candidates", *_MODELS},
    "tuning": {"tuning", "lm", "identity", *_MODELS},
    "metrics": {"metrics", "protocols", "errors", "seeds"},
    "stats": {"stats", "seeds", "errors"},
    "data": {"data", "stats", "protocols", "errors", "seeds", "files", "identity", "lazy"},
    "report": {"report", "records", "store", "stats", "files", "errors", "lazy", "registry"},
    "importing": {
        "importing",
        "evaluate",
        "data",
        "lm",
        "config",
        "log",
        "records",
        "runner",
        "store",
        "identity",
        *_MODELS,
    },
    "judging": {
        "judging",
        "lm",
        "data",
        "stats",
        "config",
        "jobs",
        "log",
        "records",
        "registry",
        "store",
        "identity",
        "testing",
        *_MODELS,
    },
}
BASE = {
    "protocols": {"seeds"},
    "seeds": set(),
    "errors": set(),
    "lazy": {"errors"},
    "files": {"errors"},
    "records": {"errors"},
    "store": {"errors", "files", "lazy", "records"},
}


def imported(path: Path) -> set[str]:
    """Full names of the modules that a file imports, and of what it takes from them."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def forbidden(names: set[str], allowed: set[str]) -> set[str]:
    """Modules of benchkit among `names` that are neither allowed nor in an allowed package."""
    ours = {n.removeprefix("benchkit.") for n in names if n.startswith("benchkit.")}
    prefixes = tuple(f"{package}." for package in allowed)
    return {n for n in ours if n not in {*allowed, "__version__"} and not n.startswith(prefixes)}


@pytest.mark.parametrize("package", ALLOWED)
def test_packages_import_one_way(package):
    for path in (ROOT / package).rglob("*.py"):
        extra = forbidden(imported(path), ALLOWED[package])
        assert not extra, f"{path.name} imports {extra}"


@pytest.mark.parametrize("module", BASE)
def test_the_base_imports_one_way(module):
    assert not forbidden(imported(ROOT / f"{module}.py"), BASE[module])


def test_benchkit_never_imports_a_plug_in():
    for path in ROOT.rglob("*.py"):
        tops = {name.split(".")[0] for name in imported(path)}
        assert not tops & {"baselines", "judges"}, path


def test_baselines_do_not_reach_into_the_harness():
    import baselines

    for path in Path(baselines.__file__).parent.rglob("*.py"):
        extra = forbidden(imported(path), {"lm", "tuning", "registry", "identity", *_MODELS})
        assert not extra, f"{path.name} imports {extra}"


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


def test_the_command_line_starts_at_once():
    # Generous: the figure belongs to a benchmark; this only catches a heavy import.
    start = time.perf_counter()
    subprocess.run([sys.executable, "-m", "benchkit", "--help"], capture_output=True, check=True)
    assert time.perf_counter() - start < 5
