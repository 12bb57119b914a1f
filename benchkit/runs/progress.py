"""Progress: a run emits events, a reporter shows them on a terminal or as plain lines."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, Protocol

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)
from rich.text import Text

from benchkit import io

_EVENT_INTERVAL = 0.2  # seconds between events of one stage
_LINE_INTERVAL = 15.0  # seconds between plain lines of one stage


def utc_timestamp() -> str:
    """Return the time as ISO 8601 in UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


@dataclass(frozen=True)
class RunEvent:
    """Something that happened in a run."""

    kind: Literal["started", "progress", "complete", "failed", "waiting", "damaged"]
    run: str
    stage: str = ""
    done: int = 0
    total: int | None = None
    note: str = ""
    """The result in words, where a run ended; what is damaged, and done again now."""


EventHandler = Callable[[RunEvent], None]


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


class RunLog:
    """The log of a run, one JSON object a line."""

    def __init__(self, path: Path) -> None:
        self._path = path
        with io.wrap_io_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = path.open("a", encoding="utf-8", buffering=1)

    def write(self, event: str, **fields: Any) -> None:
        with io.wrap_io_errors(self._path):
            line = json.dumps({"time": utc_timestamp(), "event": event, **fields}, default=str)
            self._file.write(line + "\n")

    def close(self) -> None:
        self._file.close()


class Reporter(Protocol):
    """Shows events to a person."""

    def __enter__(self) -> "Reporter": ...

    def __exit__(self, *_: object) -> None: ...

    def handle(self, event: RunEvent) -> None: ...


def make_reporter(console: Console) -> Reporter:
    """Return a reporter that draws bars on a terminal and prints lines elsewhere."""
    return BarReporter(console) if console.is_terminal else LineReporter(console)


_STATUS_MARKUP = {
    "complete": "[green]done[/]",
    "failed": "[red]failed[/]",
    "waiting": "[yellow]waiting[/]",
    "damaged": "[yellow]damaged[/]",
}


class LineReporter:
    """Prints a line when a run starts and ends, and now and then in between."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._last: dict[str, float] = {}

    def __enter__(self) -> "LineReporter":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def handle(self, event: RunEvent) -> None:
        if event.kind == "started":
            self._last[event.run] = time.monotonic()
            self._print("start", event.run, "")
        elif event.kind == "progress":
            if time.monotonic() - self._last.get(event.run, 0.0) >= _LINE_INTERVAL:
                self._last[event.run] = time.monotonic()
                total = f"/{event.total}" if event.total else ""
                self._print("...", event.run, f"{event.stage} {event.done}{total} {event.note}")
        else:
            self._print(_STATUS_MARKUP[event.kind], event.run, event.note)

    def _print(self, prefix: str, run: str, note: str) -> None:
        line = Text.from_markup(prefix).append(f" {run}  {note}".rstrip())
        self._console.print(line, soft_wrap=True)


class BarReporter:
    """Draws one bar a run; prints above the bars what has ended."""

    def __init__(self, console: Console) -> None:
        self._lines = LineReporter(console)
        self._bars = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("[dim]{task.fields[note]}"),
            console=console,
            transient=True,
        )
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> "BarReporter":
        self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bars.stop()

    def handle(self, event: RunEvent) -> None:
        if event.kind == "started":
            self._tasks[event.run] = self._bars.add_task(escape(event.run), total=None, note="")
        elif event.kind == "progress" and event.run in self._tasks:
            self._bars.update(
                self._tasks[event.run],
                description=f"{escape(event.run)} [cyan]{escape(event.stage)}[/]",
                completed=event.done,
                total=event.total,
                note=escape(event.note),
            )
        else:
            self._lines.handle(event)
            if event.kind not in ("waiting", "damaged") and event.run in self._tasks:
                self._bars.remove_task(self._tasks.pop(event.run))
