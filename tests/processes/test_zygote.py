"""What is loaded where processes are forked from: no data, no threads."""

import subprocess
import sys
from pathlib import Path

import pytest

CODE = """
import importlib, sys
import benchkit.processes.worker
from benchkit import cards
for card in cards.list_cards().values():
    if card.target.startswith("baselines."):
        importlib.import_module(card.target.partition(":")[0])
threads = [line.split()[1] for line in open("/proc/self/status") if line.startswith("Threads")]
print(threads[0], "polars" in sys.modules)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_methods_load_nothing_that_starts_threads():
    """Threads do not survive a fork, and whoever waits for one then waits for ever."""
    pytest.importorskip("torch")
    printed = subprocess.run(
        [sys.executable, "-c", CODE], cwd=Path(__file__).parents[2], check=True, text=True,
        capture_output=True, env={"PATH": "/usr/bin:/bin", "OMP_NUM_THREADS": "1"},
    ).stdout  # fmt: skip
    assert printed.split() == ["1", "False"]
