"""Text of others on a terminal: its control characters are printed, never obeyed."""

import io
import subprocess
import sys

import pytest
from rich.console import Console
from rich.table import Table
from rich.text import Text

from benchkit.console import VisibleConsole
from benchkit.report.core.terminal_table import print_tables
from benchkit.report.core.text_table import TextTable, render_markdown
from benchkit.runs.progress import RunEvent
from benchkit.runs.reporters import BarReporter, LineReporter
from benchkit.visible_text import make_visible, make_visible_line

EVIL = {
    "clear": "\x1b[2J\x1b[H", "title": "\x1b]0;pwned\x07", "C1": "\x9b31m", "return": "a\rb",
    "backspace": "a\x08\x08b", "override": "a\u202etxt.exe", "isolate": "a\u2066b\u2069",
    "separator": "a\u2028b", "delete": "a\x7fb", "nul": "a\x00b", "tag": "a\U000e0041b",
}  # fmt: skip


def is_harmless(text: str) -> bool:
    return all(c in "\n\t" or c == make_visible(c) for c in text)


@pytest.mark.parametrize("text", EVIL.values(), ids=EVIL)
def test_control_characters_are_written_as_their_code(text):
    shown = make_visible(text)
    assert is_harmless(shown) and shown != text
    assert shown.replace("\\", "").isascii() or shown.isprintable()


def test_what_texts_need_stays():
    text = "Привет, שלום\u200f, 推荐 😀 \t[x]\nnext"
    assert make_visible(text) == text
    assert make_visible_line("a\nb\tc") == "a\\nb\\tc"


@pytest.mark.parametrize("text", EVIL.values(), ids=EVIL)
@pytest.mark.parametrize("terminal", [True, False])
def test_every_console_prints_it_visibly(text, terminal):
    """As a line, as rich text, in a table, in a table of results and as progress."""
    out = io.StringIO()
    console = VisibleConsole(file=out, force_terminal=terminal, width=200, color_system=None)
    console.print(f"{text} [/x]")
    console.print(Text(text, style="red"))
    grid = Table(text)
    grid.add_row(text)
    console.print(grid)
    table = TextTable(f"t {text}", ("m", f"h {text}"), ((text, "1"),), (f"note {text}",))
    print_tables(console, [table])
    lines = LineReporter(console)
    lines.handle(RunEvent("failed", f"run {text}", note=f"it said {text}"))
    assert is_harmless(out.getvalue())
    assert "[/x]" in out.getvalue()
    assert is_harmless(render_markdown([table]))


def test_bars_show_it_visibly():
    out = io.StringIO()
    console = VisibleConsole(file=out, force_terminal=True, width=200, color_system=None)
    with BarReporter(console) as bars:
        for kind in ("started", "progress", "complete"):
            bars.handle(RunEvent(kind, "a\x1b]0;x\x07", "s\x9b1m", 1, 2, "n\u202e\nm"))
    text = out.getvalue()
    assert "\x1b]0;" not in text and "\x9b" not in text and "\u202e" not in text


def test_a_column_is_as_wide_as_what_is_printed():
    out = io.StringIO()
    table = TextTable("t", ("m", "v"), (("\x1b\x1b", "1"), ("longer name", "2")))
    print_tables(Console(file=out, width=80), [table])
    assert "\\x1b\\x1b" in out.getvalue()


MAIN = """
import sys
from benchkit.cli import main
from benchkit.errors import EngineError
def app():
    raise EngineError("server said: \\x1b[2J\\u202e", "look at \\x07it")
main.app = app
main.main()
"""


def test_an_error_that_ends_the_command_is_printed_visibly():
    done = subprocess.run([sys.executable, "-c", MAIN], capture_output=True, text=True)
    assert done.returncode == 1
    assert "server said: \\x1b[2J\\u202e\n  hint: look at \\x07it" in done.stderr


def test_commands_print_by_these_functions_alone():
    """A line of another's words that is printed otherwise would not pass through here."""
    from pathlib import Path

    import benchkit

    root = Path(benchkit.__file__).parent
    bad = []
    for path in [*(root / "cli").rglob("*.py"), *(root / "api").rglob("*.py")]:
        text = path.read_text(encoding="utf-8")
        for line in text.splitlines():
            ours = '(f"{sign} "' in line or "__version__" in line
            unseen = any(name in line for name in ("typer.echo(", "typer.secho(", " Console("))
            if unseen and not ours:
                bad.append(f"{path.name}: {line.strip()}")
    assert not bad
