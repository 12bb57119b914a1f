"""The log of a run: bounded, and no second error where a disk is full."""

import json
import os
from pathlib import Path

import pytest

from benchkit.errors import StoreError
from benchkit.runs import progress
from benchkit.runs.progress import RunLog, SilentProgress, StageProgress


def lines(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_a_long_text_keeps_its_ends(tmp_path):
    log = RunLog(tmp_path / "log.jsonl")
    text = "begin" + "x\u2028" * 10**6 + "the last line says why"
    log.write("failed", error=text, traceback=["a", text], code=3)
    log.write("stage", stage="short")
    log.close()
    raw = (tmp_path / "log.jsonl").read_bytes()
    assert max(map(len, raw.splitlines())) <= progress._LINE_BYTES + 1000
    first, second = lines(tmp_path / "log.jsonl")
    assert first["error"].startswith("begin") and first["error"].endswith("says why")
    assert "characters are left out" in first["error"] and second["stage"] == "short"


def test_lines_that_repeat_are_written_a_few_times(tmp_path):
    log = RunLog(tmp_path / "log.jsonl")
    steps = StageProgress("r", lambda _: None, log)
    steps.start("asking", 10**4)
    for _ in range(10**4):
        steps.advance(note="the server says 429")
    steps.advance(note="another note")
    steps.advance(note="the server says 429")
    log.close()
    events = [line["event"] for line in lines(tmp_path / "log.jsonl")]
    assert len(events) < 30 and events.count("repeated") == 1
    assert [line.get("note") for line in lines(tmp_path / "log.jsonl")][-2:] == [
        "another note", "the server says 429",
    ]  # fmt: skip


def test_a_full_log_still_says_why_the_run_failed(tmp_path, monkeypatch):
    monkeypatch.setattr(progress, "_LOG_BYTES", 10_000)
    for _ in range(2):  # also one that is gone on with
        log = RunLog(tmp_path / "log.jsonl")
        for number in range(1000):
            log.write("progress", note=f"something new: {number}")
        log.write("failed", error="the cause")
        log.close()
    events = [line["event"] for line in lines(tmp_path / "log.jsonl")]
    assert (tmp_path / "log.jsonl").stat().st_size < 12_000
    assert events.count("full") == 1 and events[-1] == "failed"


def test_a_full_disk_is_one_error_and_closing_none():
    if not Path("/dev/full").exists():
        pytest.skip("there is no /dev/full")
    log = RunLog(Path("/dev/full"))
    with pytest.raises(StoreError, match="cannot write") as caught:
        log.write("stage", stage="x" * 5000)
    assert "free disk space" in caught.value.hint
    log.close()
    log.close()


def test_an_error_on_closing_is_kept_to_itself(tmp_path, monkeypatch):
    log = RunLog(tmp_path / "log.jsonl")
    log.write("stage", stage="x")
    os.close(log._file.fileno())
    log.close()
    assert lines(tmp_path / "log.jsonl")[0]["stage"] == "x"
    SilentProgress().start("nothing")
