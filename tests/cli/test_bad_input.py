"""Input that is wrong ends in an error that says so, before anything is written."""

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from benchkit.cli.main import app
from benchkit.errors import BenchkitError
from tests.support.command_line import invoked

TOY = """
[[datasets]]
name = "toy"
source = "toy"
options = { users = 40, items = 50 }
candidates = { count = 8 }
[[methods]]
method = "random"
[[methods]]
method = "popularity"
"""
INTERACTIONS = "user,item,rating,timestamp\n" + "".join(
    f"u{u},i{(u * 3 + k * k) % 17},5,{1000 + k}\n" for u in range(12) for k in range(6)
)
ITEMS = "item,title\n" + "".join(f"i{k},Title {k}\n" for k in range(17))
TABLE = """
[[datasets]]
name = "mine"
source = "table"
options = { interactions = "i.csv", items = "t.csv"%s }
candidates = { count = 4 }
[[methods]]
method = "random"
"""


@pytest.fixture(autouse=True)
def _folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("s.toml").write_text(TOY)
    Path("i.csv").write_text(INTERACTIONS)
    Path("t.csv").write_text(ITEMS)


def refusal(*arguments):
    """What a person is told; fails where a traceback would be."""
    done = CliRunner().invoke(app, list(map(str, arguments)))
    if isinstance(done.exception, BenchkitError):
        return str(done.exception)
    assert isinstance(done.exception, SystemExit), done.exception
    assert done.exit_code == 2, done.output
    return re.sub(r"[\s│]+", " ", done.output)
