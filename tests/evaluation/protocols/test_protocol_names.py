"""The names of protocols stand as literals in code only where a protocol is defined."""

import ast
from collections.abc import Iterator
from pathlib import Path

import baselines
import benchkit
import judges
from benchkit.evaluation.lookup import PROTOCOLS

# The same words with another meaning: of a verdict, of the reach of a preference loss.
OTHER_MEANINGS = {
    ("benchkit/judging/verdicts.py", "scored"),
    ("benchkit/report/site/judge_verdicts.py", "scored"),
    ("benchkit/runs/progress.py", "full"),
    ("benchkit/training/preference/loss_spec.py", "full"),
    ("benchkit/training/preference/config.py", "full"),
    ("judges/panel.py", "scored"),
}


def literals(path: Path) -> Iterator[str]:
    """Every text constant of a file, with docstrings."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def test_only_the_protocols_say_their_names():
    strays = set()
    for package in (benchkit, baselines, judges):
        root = Path(package.__file__).parent
        for path in root.rglob("*.py"):
            name = path.relative_to(root.parent).as_posix()
            strays |= {(name, text) for text in literals(path) if text in PROTOCOLS}
    homes = {(f"benchkit/evaluation/protocols/{name}.py", name) for name in PROTOCOLS}
    assert strays == homes | OTHER_MEANINGS
