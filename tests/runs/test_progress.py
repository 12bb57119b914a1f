"""Progress: lines where nobody watches, bars on a terminal, one JSON object a line on disk."""

import io
import json

import pytest
from rich.console import Console

from benchkit.runs import reporters
from benchkit.runs.progress import RunEvent, RunLog, StageProgress
from benchkit.runs.reporters import BarReporter, LineReporter, make_reporter


def console(terminal: bool) -> Console:
    return Console(file=io.StringIO(), force_terminal=terminal, width=100, color_system=None)


def test_lines_say_what_began_and_how_it_ended():
    out = console(False)
    reporter = make_reporter(out)
    assert isinstance(reporter, LineReporter)
    with reporter:
        reporter.handle(RunEvent("started", "d / [m]"))
        reporter.handle(RunEvent("progress", "d / [m]", "epochs", 1, 9))
        reporter.handle(RunEvent("complete", "d / [m]", note="hr@1 0.5 [x]"))
        reporter.handle(RunEvent("failed", "d / n", note="no [/good]"))
    assert out.file.getvalue().splitlines() == [
        "start d / [m]",
        "done d / [m]  hr@1 0.5 [x]",
        "failed d / n  no [/good]",
    ]


def test_bars_on_a_terminal():
    out = console(True)
    reporter = make_reporter(out)
    assert isinstance(reporter, BarReporter)
    with reporter:
        reporter.handle(RunEvent("started", "d / m"))
        reporter.handle(RunEvent("progress", "d / m", "epochs", 3, 9, "loss 1"))
        reporter._bars.refresh()
        reporter.handle(RunEvent("complete", "d / m", note="hr@1 0.5"))
    text = out.file.getvalue()
    assert "3/9" in text
    assert "done d / m  hr@1 0.5" in text


def test_what_has_no_number_of_steps_shows_none():
    out = console(True)
    with BarReporter(out) as reporter:
        reporter.handle(RunEvent("started", "d / m"))
        reporter.handle(RunEvent("progress", "d / m", "loading"))
        reporter._bars.refresh()
        reporter.handle(RunEvent("progress", "d / m", "reading", 7))
        reporter._bars.refresh()
    text = out.file.getvalue().replace("\x1b[?25", "")
    assert "loading" in text and "reading" in text and " 7 " in text
    assert "?" not in text and "None" not in text


def test_stages_become_a_few_events_and_lines_on_disk(tmp_path):
    events = []
    log = RunLog(tmp_path / "log.jsonl")
    progress = StageProgress("r", events.append, log)
    progress.start("epochs", 1000)
    for epoch in range(1000):
        progress.advance(note="loss 2" if epoch == 999 else "")
    log.close()
    assert events[-1] == RunEvent("progress", "r", "epochs", 1000, 1000, "loss 2")
    assert len(events) < 100
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [line["event"] for line in lines] == ["stage", "progress"]


class Clock:
    def __init__(self, monkeypatch):
        self.now = 0.0
        monkeypatch.setattr(reporters.time, "monotonic", lambda: self.now)


def test_a_suite_has_a_line_now_and_then(monkeypatch):
    clock, out = Clock(monkeypatch), console(False)
    with make_reporter(out) as reporter:
        for done, now, left in ((4, 0, None), (5, 10, 90.0), (7, 720, 2400.0), (8, 721, 2000.0)):
            clock.now = float(now)
            reporter.handle(RunEvent("suite", "amazon5", "", done, 75, seconds_left=left))
        clock.now = 800.0
        reporter.handle(RunEvent("suite", "amazon5", "", 75, 75, seconds_left=0.0))
    assert out.file.getvalue().splitlines() == [
        "suite amazon5  7 of 75 runs, 12 min elapsed, about 40 min left",
        "suite amazon5  75 of 75 runs, 13 min elapsed",
    ]


def test_a_suite_has_a_bar_above_those_of_its_runs():
    out = console(True)
    with BarReporter(out) as reporter:
        reporter.handle(RunEvent("suite", "[am]", "", 7, 75, seconds_left=2400.0))
        reporter.handle(RunEvent("started", "d / m"))
        reporter._bars.refresh()
        reporter.handle(RunEvent("complete", "d / m", note="hr@1 0.5"))
        reporter.handle(RunEvent("suite", "[am]", "", 8, 75))
        reporter._bars.refresh()
    text = out.file.getvalue()
    assert "7 of 75" in text and "about 40 min left" in text and "8 of 75" in text
    assert text.index("[am]") < text.index("d / m") and "None" not in text


@pytest.mark.parametrize("width", [80, 100, 140])
@pytest.mark.parametrize("length", [4, 40])
def test_no_count_of_a_bar_is_cut(width, length):
    out = Console(file=io.StringIO(), force_terminal=True, width=width, color_system=None)
    with BarReporter(out) as reporter:
        name = f"office-products / {'n' * length} #1"
        reporter.handle(RunEvent("suite", "amazon5", "", 7, 75, seconds_left=2400.0))
        reporter.handle(RunEvent("started", name))
        stage = "rationales of the training set"
        reporter.handle(RunEvent("progress", name, stage, 1234, 5678, "loss 1.2345"))
        reporter._bars.refresh()
    frame = out.file.getvalue().split("\x1b[?25l")[1]
    assert "7 of 75" in frame and "1234/5678" in frame and "0:00:00" in frame
    assert "…" not in frame
    words = " ".join(frame.split())
    assert "about 40 min left" in words or all(w in words for w in ("about", "40", "min", "left"))
    assert "1.2345" in words
