"""Waiting for what another process makes."""

import threading
from pathlib import Path

import pytest
from filelock import FileLock

from benchkit.files.shared_lock import WAITING, lock_shared_result


class Stages:
    """A `Progress` that keeps the names of the stages that were shown."""

    def __init__(self):
        self.current, self.shown, self.waits = "", [], threading.Event()

    def start(self, what, total=None):
        self.current = what

    def advance(self, steps=1, note=""):
        self.shown.append(self.current)
        self.waits.set()


def test_a_free_lock_is_taken_without_a_word(tmp_path):
    stages = Stages()
    with lock_shared_result(tmp_path / "lock", stages):
        assert FileLock(tmp_path / "lock").is_locked is False  # one of its own
        with pytest.raises(TimeoutError):
            FileLock(tmp_path / "lock").acquire(timeout=0)
    assert stages.shown == []
    FileLock(tmp_path / "lock").acquire(timeout=0).lock.release()


def test_a_run_says_that_it_waits_and_goes_on_when_the_other_is_done(tmp_path):
    stages, held = Stages(), []
    other = FileLock(tmp_path / "lock")

    def wait(path: Path) -> None:
        with lock_shared_result(path, stages):
            held.append(stages.shown.copy())

    with other:
        thread = threading.Thread(target=wait, args=[tmp_path / "lock"])
        thread.start()
        assert stages.waits.wait(10) and held == []
    thread.join(10)
    assert held == [[WAITING, "going on"]]


def test_an_error_frees_the_lock(tmp_path):
    with pytest.raises(ZeroDivisionError), lock_shared_result(tmp_path / "lock", Stages()):
        raise ZeroDivisionError
    FileLock(tmp_path / "lock").acquire(timeout=0).lock.release()
