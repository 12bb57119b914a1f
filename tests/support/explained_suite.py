"""A small suite of two methods that explain: as a file, and run."""

from pathlib import Path
from typing import Any

from tests.support.samplers import SAMPLERS
from tests.support.suites import make_suite, run_all
from tests.support.toy_judges import EXPLAINERS

SUITE_FILE = "small.toml"
STRICT_JUDGE = """
[judging]
cases = 20
[[judging.judges]]
judge = "judges.py:Strict"
label = "strict"
config = { rubric = "rationale-quality" }
"""
USERS = 40


def explained_suite(judging: str = "", users: int = USERS) -> str:
    """The text of the suite, with a section about judges behind it."""
    return f"""
title = "Small"
protocols = ["scored", "sampled"]
decoding = {{ n = 1 }}
[[datasets]]
name = "toy"
source = "toy"
options = {{ users = {users}, items = 50 }}
candidates = {{ count = 4 }}
[[methods]]
method = "recs.py:Explains"
[[methods]]
method = "recs.py:ExplainsMore"
{judging}"""


def write_explained_suite(
    methods: Path, folder: Path, judging: str = "", users: int = USERS
) -> None:
    """Write small.toml into a folder, and the methods behind those of `methods`."""
    methods.write_text(methods.read_text() + SAMPLERS + EXPLAINERS)
    (folder / SUITE_FILE).write_text(explained_suite(judging, users))


def run_explained_suite(folder: Path, users: int = USERS) -> None:
    """Run what `explained_suite` says."""
    dataset: dict[str, Any] = {
        "name": "toy", "source": "toy", "options": {"users": users, "items": 50},
        "candidates": {"count": 4},
    }  # fmt: skip
    suite = make_suite(
        "Explains", "ExplainsMore", datasets=[dataset], decoding={"n": 1},
        protocols=["scored", "sampled"],
    )  # fmt: skip
    run_all(suite, folder)
