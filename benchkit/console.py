"""The consoles on which benchkit prints: what others wrote cannot command the terminal."""

import os
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, TextIO

import typer
from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from benchkit.count_text import count_text
from benchkit.visible_text import make_visible


class VisibleConsole(Console):
    """A console on which control characters of a text are printed as their code.

    Those that rich writes itself (colours, the cursor of a progress bar) are no part of a text.
    Square brackets in a text are brackets, and no markup of rich's.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"markup": False, **options})

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterable[Segment]:
        """Yield the segments of a renderable."""
        for segment in super().render(renderable, options):
            text = segment.text if segment.control else make_visible(segment.text)
            yield segment if text == segment.text else Segment(text, segment.style)

    def on_broken_pipe(self) -> None:
        """Go on without output: what a reader as `head` has left is still to be computed."""
        self.quiet = True
        discard_output()


def echo(text: object, *, err: bool = False, fg: str | None = None) -> None:
    """Print a line for a person, on standard error if asked, in a colour if one is named."""
    try:
        typer.secho(make_visible(str(text)), fg=fg, err=err)
    except BrokenPipeError:
        discard_output(sys.stderr if err else sys.stdout)


def echo_file(text: str) -> None:
    """Print the text of a file, e.g. a table as CSV: visibly on a terminal, else to the byte."""
    # Not by typer, which takes escape sequences out of what it writes to a pipe.
    try:
        sys.stdout.write(make_visible(text) if sys.stdout.isatty() else text)
        sys.stdout.flush()
    except BrokenPipeError:
        discard_output()


def describe_files(paths: Sequence[Path]) -> str:
    """Return where files were written, in a line; those of a subfolder are counted.

    >>> describe_files([Path("out/a.md"), Path("out/b.csv"), Path("out/plots/c.svg")])
    'out: a.md, b.csv, plots (1 file)'
    """
    if len(paths) < 2:
        return "".join(map(str, paths))
    folder = Path(os.path.commonpath([path.parent for path in paths]))
    parts = [path.relative_to(folder).parts for path in paths]
    counts = Counter(names[0] for names in parts if len(names) > 1)
    names = [names[0] for names in parts if len(names) == 1]
    folders = [f"{name} ({count_text(count, 'file')})" for name, count in counts.items()]
    return f"{folder}: {', '.join([*names, *folders])}"


def echo_files(paths: Sequence[Path], *, err: bool = True) -> None:
    """Say where files were written, if any were."""
    if paths:
        echo(f"wrote {describe_files(paths)}", err=err)


def discard_full_output() -> None:
    """Let nothing more be written to standard output where that is what is full (`> FILE`)."""
    try:
        sys.stdout.flush()
    except OSError:
        discard_output()


def discard_output(stream: TextIO | None = None) -> None:
    """Let nothing more be written to a stream, by default standard output: nobody reads it."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), (stream or sys.stdout).fileno())
