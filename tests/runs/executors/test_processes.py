"""The executor that computes each run in a process of its own."""

import os
import signal
import subprocess
import time

import pytest

from benchkit.runs.executors.processes import ProcessExecutor
from benchkit.runs.store import Store
from benchkit.testing.executors import ExecutorContract
from tests.support.suites import make_suite, run_all, start_script, wait_until


class TestProcesses(ExecutorContract):
    def make(self, workers):
        return ProcessExecutor(workers)


def test_a_process_that_dies_is_named_with_its_signal(methods, tmp_path):
    outcomes = run_all(make_suite("Killed", "Counts"), tmp_path, jobs=2)
    assert "killed by signal 9 (out of memory?)" in outcomes["Killed", 0].manifest.error
    assert outcomes["Counts", 0].manifest.status == "complete"


def test_control_c_ends_all_processes_and_the_store_goes_on(methods, tmp_path):
    marks = tmp_path / "marks"
    marks.mkdir()
    process = start_script(tmp_path, marks, options="jobs=2", stderr=subprocess.PIPE)
    wait_until((marks / "began").exists)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to all processes of the group
    _, errors = process.communicate(timeout=60)
    assert process.returncode == -signal.SIGINT
    assert errors.count("KeyboardInterrupt") == 1  # the workers are quiet
    with pytest.raises(ProcessLookupError):
        for _ in range(200):
            os.killpg(process.pid, 0)
            time.sleep(0.02)
    store = Store(tmp_path / "runs")
    (run,) = store.runs()
    assert run.manifest().status == "started" and not store.is_locked(run.manifest().run_id)
    (marks / "go").touch()
    again = start_script(tmp_path, marks)
    assert again.communicate(timeout=60)[0].strip() == "[True]"
