"""What is loaded where processes are forked from: no data, no threads."""

import subprocess
import sys
from pathlib import Path

import pytest

from benchkit.processes.confinement import landlock_version
from benchkit.processes.launcher import close_zygotes, start_worker
from tests.support.suites import make_suite, run_all

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


LOOKS = """
import os, tempfile
from benchkit.types import Prediction


class Looks:
    capabilities = frozenset({"scores"})

    def fit(self, data, run):
        assert tempfile.gettempdir() == os.environ["TMPDIR"], tempfile.gettempdir()

    def predict(self, requests, run):
        for request in requests:
            yield Prediction(request.case_id, [0.0] * len(request.candidates))
"""


@pytest.mark.skipif(not landlock_version(), reason="the kernel has no Landlock")
def test_where_temporary_files_go_is_looked_up_in_every_process(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "recs.py").write_text(LOOKS)
    (tmp_path / "looked_up.py").write_text("import tempfile; tempfile.gettempdir()")
    close_zygotes()  # they know the new path from their start on
    start_worker(1, preload=["looked_up"]).close()
    (outcome,) = run_all(make_suite("Looks"), tmp_path, confine=True).values()
    assert outcome.manifest.status == "complete", outcome.manifest.error


def test_an_environment_longer_than_a_socket_takes(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    for place in range(12):
        monkeypatch.setenv(f"LONG{place}", "x" * 100_000)
    (tmp_path / "recs.py").write_text(LOOKS)
    (outcome,) = run_all(make_suite("Looks"), tmp_path).values()
    assert outcome.manifest.status == "complete", outcome.manifest.error
