"""Progress: what happens in a run, as events for a reporter and as lines of its log."""

import json
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from benchkit import io

_EVENT_INTERVAL = 0.2  # seconds between events of one stage
# Bounds of a log: of a line, of lines that repeat the one before, of all.
_LINE_BYTES = 64 * 1024
_REPEATED_LINES = 20
_LOG_BYTES = 16 * 2**20


def utc_timestamp() -> str:
    """Return the time as ISO 8601 in UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


@dataclass(frozen=True)
class RunEvent:
    """Something that happened in a run."""

    kind: Literal[
        "started", "progress", "complete", "failed", "waiting", "damaged", "expected", "warning",
        "suite",
    ]  # fmt: skip
    run: str
    stage: str = ""
    done: int = 0
    total: int | None = None
    note: str = ""
    """The result in words, where a run ended; what is damaged, and done again now; what it is
    expected to cost; what it is warned of."""
    seconds_left: float | None = None
    """Of a suite, whose `done` and `total` are runs: about how long the others take, if known."""


EventHandler = Callable[[RunEvent], None]


def _log_line(event: str, fields: dict[str, Any]) -> bytes:
    """Return a line of a log, whose texts are cut where it would be too long."""
    head = {"time": utc_timestamp(), "event": event}
    line = json.dumps({**head, **fields}, default=str)
    if len(line) > _LINE_BYTES:
        texts = {
            name: value if isinstance(value, str) else json.dumps(value, default=str)
            for name, value in fields.items()
        }
        longest = _LINE_BYTES // (12 * max(1, len(texts)))  # a character is up to 12 bytes of JSON
        line = json.dumps({**head, **{n: _cut_middle(v, longest) for n, v in texts.items()}})
    return line.encode() + b"\n"


def _cut_middle(text: str, longest: int) -> str:
    """Return a text without its middle: a traceback says at its end what went wrong."""
    if len(text) <= longest:
        return text
    left_out = f"\n... {len(text) - longest:,} characters are left out ...\n"
    return text[: longest // 2] + left_out + text[-(longest // 2) :]


class StageProgress:
    """The `Progress` of a run: turns stages into events, a few a second, and lines of its log."""

    def __init__(self, run: str, emit: EventHandler, log: "RunLog") -> None:
        self._run, self._emit, self._log = run, emit, log
        self._stage, self._done, self._total, self._last = "", 0, None, 0.0  # type: tuple[str, int, int | None, float]

    def start(self, what: str, total: int | None = None) -> None:
        self._stage, self._done, self._total, self._last = what, 0, total, 0.0
        self._log.write("stage", stage=what, total=total)

    def advance(self, steps: int = 1, note: str = "") -> None:
        self._done += steps
        if note:
            self._log.write("progress", stage=self._stage, done=self._done, note=note)
        if time.monotonic() - self._last >= _EVENT_INTERVAL or self._done == self._total:
            self._last = time.monotonic()
            self._emit(RunEvent("progress", self._run, self._stage, self._done, self._total, note))


class SilentProgress:
    """A `Progress` that shows nothing."""

    def start(self, what: str, total: int | None = None) -> None:
        pass

    def advance(self, steps: int = 1, note: str = "") -> None:
        pass


class NoteProgress(SilentProgress):
    """A `Progress` that hands on the notes alone."""

    def __init__(self, show: Callable[[str], object]) -> None:
        self._show = show

    def advance(self, steps: int = 1, note: str = "") -> None:  # noqa: ARG002
        if note:
            self._show(note)


class RunLog:
    """The log of a run, one JSON object a line.

    It is bounded, whatever a method or a server says: long texts lose their middle, of lines that
    repeat each other the first ones are written, and what comes after the log is full is left out,
    except why the run failed.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._last, self._repeats = "", 0
        with io.wrap_io_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            # Without a buffer, nothing is left for `close` to write to a disk that is full.
            self._file = path.open("ab", buffering=0)
            self._room = _LOG_BYTES - self._file.tell()

    def write(self, event: str, **fields: Any) -> None:
        """Add a line; raise StoreError if it cannot be written."""
        content = json.dumps([event, {n: v for n, v in fields.items() if n != "done"}], default=str)
        self._repeats = self._repeats + 1 if content == self._last else 0
        if self._repeats < _REPEATED_LINES:
            self._last = content
            self._write_line(event, fields)
        elif self._repeats == _REPEATED_LINES:
            self._write_line("repeated", {"note": "the lines that repeat the last are left out"})

    def close(self) -> None:
        """Close the file. Does not raise: a run that has ended is not undone by its log."""
        with suppress(OSError):
            self._file.close()

    def _write_line(self, event: str, fields: dict[str, Any]) -> None:
        line = _log_line(event, fields)
        if len(line) > self._room and event != "failed":
            if self._room <= 0:
                return
            line, self._room = _log_line("full", {"note": "the log is full"}), 0
        with io.wrap_io_errors(self._path):
            self._room -= len(line)
            while line:
                line = line[self._file.write(line) or 0 :]
