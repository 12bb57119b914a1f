"""What tests leave behind: nothing."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
USE = """
from benchkit.testing.fixtures import run_context, toy_dataset

def test_contexts():
    catalog = toy_dataset(users=40, items=60).catalog
    first, second = run_context(catalog), run_context(catalog)
    assert first.scratch != second.scratch and first.cache == second.cache
    for context in (first, second):
        (context.scratch / "checkpoint").write_text("weights")
    assert first.scratch.parent == first.cache.parent

if __name__ == "__main__":
    test_contexts()
"""
FORK = """
import os
from benchkit.testing.fixtures import make_test_folder
mine = make_test_folder("a-")
if os.fork() == 0:
    other = make_test_folder("b-")
    assert other.parent != mine.parent
    raise SystemExit
os.wait()
assert mine.exists(), "a forked process removed its parent's folder"
"""


def leftovers(folder, *command):
    """What a process leaves in the folder of temporary files."""
    environment = {**os.environ, "TMPDIR": str(folder), "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, *command], env=environment, cwd=folder, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return [path.name for path in folder.iterdir() if path.name.startswith("benchkit-test-")]


@pytest.mark.parametrize("code", [USE, FORK], ids=["contexts", "forked"])
def test_folders_of_a_process_end_with_it(tmp_path, code):
    (tmp_path / "use.py").write_text(code)
    assert leftovers(tmp_path, "use.py") == []


@pytest.mark.slow
def test_folders_of_workers_end_with_them(tmp_path):
    pytest.importorskip("xdist")
    (tmp_path / "test_use.py").write_text(USE)
    assert leftovers(tmp_path, "-m", "pytest", "-q", "-n", "2", "test_use.py") == []
