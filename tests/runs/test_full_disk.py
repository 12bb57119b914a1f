"""A disk that takes no more ends a run so that it is done again; it is no failure of the method."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchkit.errors import StoreError
from benchkit.runs.store import Run, Store
from tests.support.suites import make_suite, run_all

FULL = '''
import errno, os, sqlite3
from pathlib import Path
from benchkit.errors import MethodError
from benchkit.types import Prediction

ERRORS = {
    "ENOSPC": lambda: OSError(errno.ENOSPC, "No space left on device"),
    "EDQUOT": lambda: OSError(errno.EDQUOT, "Disk quota exceeded"),
    "EIO": lambda: OSError(errno.EIO, "Input/output error"),
    "EROFS": lambda: OSError(errno.EROFS, "Read-only file system"),
    "torch": lambda: RuntimeError(
        "[enforce fail at inline_container.cc:672] . unexpected pos 576 vs 534"
    ),
    "sqlite": lambda: sqlite3.OperationalError("database or disk is full"),
}

def safetensors():
    from safetensors import SafetensorError
    return SafetensorError("Error while serializing: I/O error: No space left (os error 28)")

ERRORS["safetensors"] = safetensors


class Saves:
    """Meets a full disk while there is a file `full`, which says which error it raises."""

    capabilities = frozenset({"scores"})

    def fit(self, data, run):
        self.strike("fit")

    def predict(self, requests, run):
        self.strike("predict")
        for request in requests:
            yield Prediction(request.case_id, [float(len(i)) for i in request.candidates])

    def strike(self, where):
        if not Path("full").exists():
            return
        kind, place, wrapped = Path("full").read_text().split()
        if place != where:
            return
        try:
            raise ERRORS[kind]()
        except Exception as error:
            if wrapped == "from":
                raise MethodError("the checkpoint was not saved") from error
            if wrapped == "none":
                raise ValueError("the checkpoint was not saved") from None
            raise
'''
KINDS = ["ENOSPC", "EDQUOT", "EIO", "EROFS", "torch", "sqlite", "safetensors"]


@pytest.fixture
def saves(methods):
    methods.write_text(FULL)
    return make_suite("Saves")


def the_run(folder):
    (run,) = Store(folder / "runs").runs()
    return run


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("place", "wrapped"), [("fit", "plain"), ("predict", "from"),
                                                ("fit", "none")])  # fmt: skip
def test_a_run_that_a_full_disk_ends_is_done_again(saves, tmp_path, kind, place, wrapped):
    Path("full").write_text(f"{kind} {place} {wrapped}")
    (stopped,) = run_all(saves, tmp_path).values()
    assert "written" in stopped.manifest.error and "hint:" in stopped.manifest.error
    assert (stopped.manifest.status, stopped.manifest.resumable) == ("failed", True)
    Path("full").unlink()
    (outcome,) = run_all(saves, tmp_path).values()
    assert outcome.computed and outcome.manifest.status == "complete"


def test_in_a_process_of_its_own_too(saves, tmp_path):
    Path("full").write_text("safetensors fit plain")
    (stopped,) = run_all(saves, tmp_path, jobs=2).values()
    assert "cannot be written" in stopped.manifest.error and stopped.manifest.resumable
    Path("full").unlink()
    (outcome,) = run_all(saves, tmp_path, jobs=2).values()
    assert outcome.manifest.status == "complete"


def test_a_log_that_cannot_be_written_is_one_error(saves, methods, tmp_path, monkeypatch):
    """The log's last words stay unwritten, and closing it raises nothing of its own."""
    if not Path("/dev/full").exists():
        pytest.skip("there is no /dev/full")
    methods.write_text(FULL.replace('self.strike("fit")', "raise KeyError('a plain fault')"))
    with monkeypatch.context() as patch:
        patch.setattr(Run, "log", property(lambda _: Path("/dev/full")))
        with pytest.raises(StoreError, match="cannot write /dev/full"):
            run_all(saves, tmp_path)
    assert the_run(tmp_path).manifest().status == "started"
    (outcome,) = run_all(saves, tmp_path).values()
    assert outcome.manifest.status == "failed" and "a plain fault" in outcome.manifest.error


SUITE = """
title = "T"
protocols = ["scored"]
[[datasets]]
name = "toy"
source = "toy"
options = { users = 30, items = 60 }
candidates = { count = 10 }
[[methods]]
method = "sft"
[methods.config]
candidates = 10
nano = { steps = 20, validation_cases = 0 }
train = { epochs = 2, checkpoint_every = 0.5 }
"""
LIMITED = """
import resource, signal, sys
limit = int(sys.argv.pop(1))
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
from benchkit.cli.main import main
main()
"""


def run_limited(folder, limit, *options):
    return subprocess.run(
        [sys.executable, "-c", LIMITED, str(limit), "run", "--suite", "s.toml", *options],
        cwd=folder, capture_output=True, text=True, env={**os.environ, "COLUMNS": "140"},
    )  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize(("limit", "options"), [(20_000, ()), (300_000, ("--jobs", "2")),
                                                (500_000, ())])  # fmt: skip
def test_a_language_model_that_meets_a_limit_goes_on_without_it(tmp_path, limit, options):
    """The limits stop nano's weights, a checkpoint's, and the optimizer's state."""
    (tmp_path / "s.toml").write_text(SUITE)
    stopped = run_limited(tmp_path, limit, *options)
    text = stopped.stdout + stopped.stderr
    # What is recorded of the run fits; the page of its leaderboard is longer than the first limit.
    assert stopped.returncode == (4 if limit == 20_000 else 1), text
    assert "Traceback" not in text and "hint: free disk space" in text
    assert not list(tmp_path.rglob(".benchkit-*"))
    again = run_limited(tmp_path, 2**30, *options)
    assert again.returncode == 0, again.stdout + again.stderr
    assert "done toy / sft" in again.stdout


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 1.5 MB, where that may be mounted."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1500k", "none", str(folder)]
    try:
        mounted = subprocess.run(mount, capture_output=True, check=False).returncode == 0
    except OSError:
        mounted = False
    if not mounted:
        pytest.skip("no file system may be mounted here")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.mark.slow
def test_a_language_model_on_a_full_disk_goes_on_when_there_is_space(tmp_path, small_disk):
    (tmp_path / "s.toml").write_text(SUITE)
    stopped = run_limited(tmp_path, 2**30, "--out", "disk/runs")
    text = stopped.stdout + stopped.stderr
    assert stopped.returncode in (1, 4) and "Traceback" not in text, text
    remount = ["mount", "-o", "remount,size=64m", str(small_disk)]
    subprocess.run(remount, check=True)
    again = run_limited(tmp_path, 2**30, "--out", "disk/runs")
    assert again.returncode == 0 and "done toy / sft" in again.stdout, again.stdout + again.stderr
