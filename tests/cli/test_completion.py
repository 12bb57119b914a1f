"""Shell completion: names of suites, rows, datasets and parts, without anything heavy loaded."""

import json
import os
import subprocess
import sys

import pytest

from benchkit.cards import list_cards
from benchkit.config.suite import list_shipped_suites, load_suite

SCRIPT = """
import sys
sys.argv = ["benchkit"]
from benchkit.cli.main import main
try:
    main()
finally:
    heavy = {"torch", "transformers", "pandas", "polars", "sklearn", "recbole"} & set(sys.modules)
    print(*sorted(heavy), file=sys.stderr)
"""


def complete(line, cwd):
    """Return what bash would offer at the end of a line, and what was imported for it."""
    words = line.split(" ")
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], cwd=cwd, capture_output=True, text=True,
        env={**os.environ, "_BENCHKIT_COMPLETE": "complete_bash", "COMP_WORDS": line,
             "COMP_CWORD": str(len(words) - 1)},
    )  # fmt: skip
    return done.stdout.split(), done.stderr.split()


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "quick.toml").write_text(
        '[[datasets]]\nname = "shop"\n[[methods]]\nmethod = "ease"\nlabel = "mine"\n'
    )
    plan = tmp_path / "runs" / "stored" / "plan.json"
    plan.parent.mkdir(parents=True)
    plan.write_text(json.dumps({"labels": ["first", "second"], "tasks": ["toy"]}))
    return tmp_path


@pytest.mark.parametrize(
    ("line", "names"),
    [
        ("benchkit run --suite quick", ["quickstart", "quick.toml"]),
        ("benchkit report --suite ", ["stored"]),
        ("benchkit run --suite quick.toml --method mi", ["mine"]),
        ("benchkit run --suite quick.toml --method mine,popul", ["mine,popularity"]),
        ("benchkit run --suite quick.toml --dataset ", ["shop"]),
        ("benchkit compare --suite stored --against ", ["first", "second"]),
        ("benchkit compare --suite stored --task t", ["toy"]),
        ("benchkit data prepare --suite movielens --dataset mov", ["movielens"]),
        ("benchkit ls methods recbole/ST", ["recbole/STAMP"]),
        ("benchkit ls judges h", ["heuristic"]),
        ("benchkit ls rubrics coh", ["coherence-1-7"]),
        ("benchkit va", ["validate"]),
        ("benchkit run --suite broken/ --method zzz", []),
    ],
)
def test_names_are_completed_without_heavy_imports(folder, line, names):
    found, heavy = complete(line, folder)
    assert found == names and heavy == []


def test_completion_knows_what_the_commands_know(folder):
    assert complete("benchkit run --suite ", folder)[0][:-1] == sorted(list_shipped_suites())
    rows = [row.name for row in load_suite("quickstart").methods]
    found = complete("benchkit run --suite quickstart --method ", folder)[0]
    assert found[: len(rows)] == rows
    assert set(found) >= {name for name in list_cards() if "*" not in name}
