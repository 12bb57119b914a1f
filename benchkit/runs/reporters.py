"""Show what happens in runs: bars on a terminal, plain lines elsewhere."""

import time
from typing import Protocol

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)
from rich.table import Column
from rich.text import Text

from benchkit.count_text import count_text
from benchkit.runs.estimates.cost_texts import format_seconds
from benchkit.runs.progress import RunEvent
from benchkit.visible_text import make_visible, make_visible_line

_LINE_INTERVAL = 15.0  # seconds between plain lines of one stage, and of one suite


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
    "expected": "[cyan]expected[/]",
    "warning": "[yellow]warning[/]",
}


class LineReporter:
    """Prints a line when a run starts and ends, and now and then in between."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._last: dict[str, float] = {}
        self._suite = _SuiteTimes()

    def __enter__(self) -> "LineReporter":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def handle(self, event: RunEvent) -> None:
        if event.kind == "started":
            self._last[event.run] = time.monotonic()
            self._print("start", event.run, "")
        elif event.kind == "suite":
            if (line := self._suite.describe(event)) is not None:
                self._print("suite", event.run, line)
        elif event.kind == "progress":
            if time.monotonic() - self._last.get(event.run, 0.0) >= _LINE_INTERVAL:
                self._last[event.run] = time.monotonic()
                words = filter(None, [event.stage, _format_steps(event), event.note])
                self._print("...", event.run, " ".join(words))
        else:
            self._print(_STATUS_MARKUP[event.kind], event.run, event.note)

    def _print(self, prefix: str, run: str, note: str) -> None:
        line = Text.from_markup(prefix).append(make_visible(f" {run}  {note}".rstrip()))
        self._console.print(line, soft_wrap=True)


class _SuiteTimes:
    """When a suite began, and when it was last spoken of."""

    def __init__(self) -> None:
        self._start = self._last = time.monotonic()
        self._is_begun = False

    def describe(self, event: RunEvent) -> str | None:
        """Return '7 of 75 runs, 12 min elapsed, about 40 min left', None where it was said."""
        now = time.monotonic()
        if not self._is_begun:
            self._is_begun, self._start, self._last = True, now, now
        if now - self._last < _LINE_INTERVAL or event.total is None:
            return None
        self._last = now
        parts = [f"{event.done} of {count_text(event.total, 'run')}"]
        parts.append(f"{format_seconds(now - self._start)} elapsed")
        return ", ".join([*parts, *describe_left(event.seconds_left)])


def describe_left(seconds: float | None) -> list[str]:
    """Return ['about 40 min left'], nothing where it is not known or nothing is left."""
    return [f"about {format_seconds(seconds)} left"] if seconds else []


class BarReporter:
    """Draws a bar for the suite and one a run; prints above the bars what has ended."""

    def __init__(self, console: Console) -> None:
        self._lines = LineReporter(console)
        self._bars = Progress(
            # Names and notes are wrapped where there is no room, so that no count is cut.
            TextColumn("{task.description}", table_column=Column(overflow="fold")),
            BarColumn(bar_width=min(40, console.width // 5)),
            TextColumn("{task.fields[count]}", table_column=Column(no_wrap=True)),
            TimeElapsedColumn(table_column=Column(no_wrap=True)),
            TextColumn("[dim]{task.fields[note]}", table_column=Column(overflow="fold")),
            console=console,
            transient=True,
        )
        self._tasks: dict[str, TaskID] = {}
        self._suite: TaskID | None = None

    def __enter__(self) -> "BarReporter":
        self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bars.stop()

    def handle(self, event: RunEvent) -> None:
        if event.kind == "started":
            self._tasks[event.run] = self._bars.add_task(
                _escape(event.run), total=None, note="", count=""
            )
        elif event.kind == "suite":
            self._show_suite(event)
        elif event.kind == "progress" and event.run in self._tasks:
            self._bars.update(
                self._tasks[event.run],
                description=f"{_escape(event.run)} [cyan]{_escape(event.stage)}[/]",
                completed=event.done,
                total=event.total,
                count=_format_steps(event),
                note=_escape(event.note),
            )
        else:
            self._lines.handle(event)
            if event.kind not in ("waiting", "damaged") and event.run in self._tasks:
                self._bars.remove_task(self._tasks.pop(event.run))

    def _show_suite(self, event: RunEvent) -> None:
        if self._suite is None:
            name = f"[bold]{_escape(event.run)}[/]"
            self._suite = self._bars.add_task(name, total=event.total, note="", count="")
        self._bars.update(
            self._suite,
            completed=event.done,
            count=f"{event.done} of {event.total}",
            note="".join(describe_left(event.seconds_left)),
        )


def _format_steps(event: RunEvent) -> str:
    """Return '3/9', or '3' where nobody knows of how many, as while something is loaded."""
    if event.total:
        return f"{event.done}/{event.total}"
    return str(event.done) if event.done else ""


def _escape(text: str) -> str:
    """Return a text that neither rich nor a terminal interprets, in one line."""
    return escape(make_visible_line(text))
