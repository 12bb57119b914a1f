"""The help of every command at 80 columns: whole sentences in full lines, no switch without use."""

import re
from itertools import pairwise

import pytest
import typer

from benchkit.cli.main import app
from tests.support.command_line import said

GROUP = typer.main.get_command(app)
COMMANDS = [
    *((name,) for name in GROUP.commands if name != "data"),
    *(("data", name) for name in GROUP.commands["data"].commands),
]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_help_is_whole_and_names_no_opposite_of_what_is_off(command, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    text = said(*command, "--help")
    assert "…" not in text
    assert set(re.findall(r"--no-[\w-]+", text)) <= {"--no-fetch"}
    options = [line for line in text.splitlines() if "--" in line and "--help" not in line]
    assert not [line for line in options if "<bool>" in line]
    head = text.partition("╭")[0].splitlines()
    for line, following in pairwise(head):
        if line.strip() and following.strip():  # the next word had no room
            assert len(line.rstrip()) + 1 + len(following.split()[0]) > 79, line
