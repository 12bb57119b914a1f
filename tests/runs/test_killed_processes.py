"""Whatever process of a run is killed, the same command afterwards gives the undisturbed tables."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from benchkit.runs.store import Store
from tests.support.suites import make_suite, run_all, start_script, wait_until


def processes_of(session):
    """Processes of a session that have not ended: id -> what it is."""
    found = {}
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        try:
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
            if int(fields[3]) == session and fields[0] not in "ZX":
                found[int(folder.name)] = (folder / "cmdline").read_bytes().replace(b"\0", b" ")
        except (OSError, IndexError):
            continue
    return found


def wait_until_gone(session):
    wait_until(lambda: not processes_of(session), seconds=20)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("kill", [signal.SIGKILL, signal.SIGTERM, signal.SIGHUP])
def test_processes_end_with_their_parent_and_record_nothing(methods, tmp_path, kill):
    if signal.getsignal(kill) == signal.SIG_IGN:
        pytest.skip(f"{kill.name} is ignored here, as under nohup, and by whatever is started")
    marks = tmp_path / "marks"
    marks.mkdir()
    process = start_script(tmp_path, marks, options="jobs=2", stderr=subprocess.PIPE)
    wait_until((marks / "began").exists)
    assert len(processes_of(process.pid)) == 3  # benchkit, what it forks from, the method
    os.kill(process.pid, kill)
    process.communicate(timeout=300)
    wait_until_gone(process.pid)
    (run,) = Store(tmp_path / "runs").runs()
    assert run.manifest().status == "started"
    (marks / "go").touch()
    again = start_script(tmp_path, marks, options="jobs=2")
    assert again.communicate(timeout=300)[0].strip() == "[True]"
    (run,) = Store(tmp_path / "runs").runs()
    assert run.manifest().status == "complete"


def test_a_killed_method_fails_alone_and_says_so(methods, tmp_path):
    outcomes = run_all(make_suite("Killed", "Counts"), tmp_path)
    assert "killed by signal 9 (out of memory?)" in outcomes["Killed", 0].manifest.error
    assert outcomes["Counts", 0].manifest.status == "complete"


SUITE = """
title = "Killed"
protocols = ["scored", "full"]
[[datasets]]
name = "toy"
source = "toy"
options = { users = 300, items = 120 }
candidates = { count = 10 }
[[methods]]
method = "popularity"
[[methods]]
method = "ease"
[[methods]]
method = "sasrec"
config = { epochs = 3 }
[[methods]]
method = "sft"
config = { nano = { steps = 20 }, train = { max_steps = 6 }, candidates = 10, prompt_tokens = 300 }
"""


def benchkit(folder, *arguments):
    return subprocess.Popen(
        [sys.executable, "-m", "benchkit", *arguments], cwd=folder, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )  # fmt: skip


def tables(folder):
    """What a reader sees, without seconds."""
    columns = {}
    for path in sorted((folder / "leaderboards" / "s").glob("*.csv")):
        rows = [line.split(",") for line in path.read_text().splitlines()]
        keep = [
            i for i, name in enumerate(rows[0]) if "seconds" not in name and "memory" not in name
        ]
        columns[path.name] = [[row[i] for i in keep] for row in rows]
    return columns


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_forty_kills_leave_nothing(tmp_path):
    """Kills of the parent, of the group and of one process, while data are prepared, methods
    trained (a language model among them), asked and judged."""
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    for folder in (whole, broken):
        folder.mkdir()
        (folder / "s.toml").write_text(SUITE)
    run = ("run", "--suite", "s.toml", "--jobs", "2")
    undisturbed = benchkit(whole, *run)
    start = time.monotonic()
    printed = undisturbed.communicate(timeout=600)[0]
    assert undisturbed.returncode == 0, printed
    seconds = time.monotonic() - start
    generator = random.Random(0)
    for number in range(40):
        if number % 8 == 7:  # from the beginning: data, caches and all
            for name in ("runs", "data", "leaderboards"):
                subprocess.run(["rm", "-rf", str(broken / name)], check=True)
        process = benchkit(broken, *run)
        time.sleep(generator.uniform(0.2, seconds))
        target = ("parent", "group", "one")[number % 3]
        try:
            if target == "parent":
                os.kill(process.pid, signal.SIGKILL)
            elif target == "group":
                os.killpg(process.pid, signal.SIGKILL)
            else:
                others = [pid for pid in processes_of(process.pid) if pid != process.pid]
                if others:
                    os.kill(generator.choice(others), signal.SIGKILL)
        except ProcessLookupError:
            pass  # it had ended
        process.communicate(timeout=600)
        wait_until_gone(process.pid)
    last = benchkit(broken, *run, "--overwrite", "failed")  # a killed method counts as failed
    printed = last.communicate(timeout=600)[0]
    assert last.returncode == 0, printed
    assert tables(broken) == tables(whole)
    left = [p for p in broken.rglob("*") if p.suffix == ".tmp" or ".part" in p.name]
    assert not left
    check = benchkit(broken, "validate", "runs")
    printed = check.communicate(timeout=600)[0]
    assert check.returncode == 0, printed
