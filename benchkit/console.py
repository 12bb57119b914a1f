"""The consoles on which benchkit prints: what others wrote cannot command the terminal."""

import os
import sys
from collections.abc import Iterable
from typing import Any

import typer
from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

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


def echo(text: object, *, err: bool = False, fg: str | None = None) -> None:
    """Print a line for a person, on standard error if asked, in a colour if one is named."""
    typer.secho(make_visible(str(text)), fg=fg, err=err)


def echo_file(text: str) -> None:
    """Print the text of a file, e.g. a table as CSV: visibly on a terminal, else to the byte."""
    # Not by typer, which takes escape sequences out of what it writes to a pipe.
    sys.stdout.write(make_visible(text) if sys.stdout.isatty() else text)


def discard_full_output() -> None:
    """Let nothing more be written to standard output where that is what is full (`> FILE`)."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
