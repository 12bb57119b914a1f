"""Progress: lines where nobody watches, bars on a terminal, one JSON object a line on disk."""

import io
import json

from rich.console import Console

from benchkit.runs.progress import (
    BarReporter,
    LineReporter,
    RunEvent,
    RunLog,
    StageProgress,
    make_reporter,
)


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
