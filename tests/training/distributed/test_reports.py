"""What a process of a training says of the error that ends it, also where the disk is full."""

import json
import os
import sys

import pytest

from benchkit.errors import ConfigError, MethodError, StoreError
from benchkit.training.distributed import launcher, serialization, worker


def test_a_report_takes_no_new_room_on_the_disk(tmp_path):
    serialization.reserve_reports(tmp_path, 2)
    path = tmp_path / f"{serialization.ERROR_FILE}.1"
    size = path.stat().st_size
    serialization.write_report(tmp_path, 1, ConfigError("a cause", "a hint"))
    report = tmp_path / serialization.ERROR_FILE
    assert report.stat().st_size == size and not path.exists()
    error = launcher._failure(tmp_path, 2, 1)
    assert type(error) is ConfigError and (error.cause, error.hint) == ("a cause", "a hint")


@pytest.mark.parametrize("text", ["x" * 10**6, "\u2028\U0001f600" * 10**5, '"\\' * 10**5])
def test_a_long_report_fits(tmp_path, text):
    serialization.reserve_reports(tmp_path, 1)
    serialization.write_report(tmp_path, 0, MethodError(text, text))
    report = (tmp_path / serialization.ERROR_FILE).read_bytes()
    assert len(report) == serialization._REPORT_BYTES
    assert text.startswith(json.loads(report)["cause"])


def test_a_worker_reports_a_full_disk_as_one(tmp_path, monkeypatch):
    def fail(*_, **__):
        raise RuntimeError("[enforce fail at inline_container.cc:672] . unexpected pos 1 vs 2")

    serialization.reserve_reports(tmp_path, 1)
    monkeypatch.setattr(sys, "argv", ["worker", str(tmp_path), str(os.getpid())])
    monkeypatch.setenv("RANK", "0")
    monkeypatch.setattr(worker, "_exit_with_parents", lambda *_: None)
    monkeypatch.setattr(serialization, "read_training_job", fail)
    with pytest.raises(RuntimeError, match="unexpected pos"):
        worker.run_worker.__wrapped__()
    error = launcher._failure(tmp_path, 1, 1)
    assert isinstance(error, StoreError) and "free disk space" in error.hint


def test_a_log_that_names_a_full_disk_is_enough(tmp_path):
    log = tmp_path / serialization.LOG_FILE
    log.write_text("Traceback\nOSError: [Errno 28] No space left on device: 'x'\n")
    assert isinstance(launcher._failure(tmp_path, 1, 1), StoreError)
    log.write_text("Traceback\nValueError: wrong\n")
    assert type(launcher._failure(tmp_path, 1, 1)) is MethodError
