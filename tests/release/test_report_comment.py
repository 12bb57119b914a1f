"""The action `benchkit-report`: one comment a title, replaced by the next, never too long."""

import json
import os
import runpy
import stat
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / ".github" / "actions" / "benchkit-report" / "comment.py"
comment = runpy.run_path(str(SCRIPT))
FAKE = """#!{python}
import json, pathlib, sys
place = pathlib.Path({folder!r})
call = {{"arguments": sys.argv[1:]}}
if "--input" in sys.argv:
    call["payload"] = json.load(sys.stdin)
with (place / "calls.jsonl").open("a") as file:
    file.write(json.dumps(call) + "\\n")
if "--paginate" in sys.argv:
    print((place / "comments.json").read_text())
"""


@pytest.fixture
def call(tmp_path):
    """Run the script with a `gh` that writes down what it is asked."""
    gh = tmp_path / "bin" / "gh"
    gh.parent.mkdir()
    gh.write_text(FAKE.format(python=sys.executable, folder=str(tmp_path)))
    gh.chmod(gh.stat().st_mode | stat.S_IXUSR)
    (tmp_path / "table.md").write_text("| Method | HR@1 |\n| --- | --: |\n| ease | .349 |\n")

    def run(comments, code=0, **environment):
        (tmp_path / "comments.json").write_text(json.dumps([comments[:1], comments[1:]]))
        (tmp_path / "calls.jsonl").unlink(missing_ok=True)
        done = subprocess.run(
            [sys.executable, str(SCRIPT)], cwd=tmp_path, capture_output=True, text=True,
            env={**os.environ, "PATH": f"{gh.parent}:{os.environ['PATH']}", "TABLE": "table.md",
                 "TITLE": "Quick", "PULL_REQUEST": "7", "GITHUB_REPOSITORY": "a/b", **environment},
        )  # fmt: skip
        assert done.returncode == code, done.stderr
        calls = tmp_path / "calls.jsonl"
        lines = calls.read_text().splitlines() if calls.exists() else []
        return [json.loads(line) for line in lines], done.stderr

    return run


def test_the_first_is_written(call):
    _, written = call([{"id": 1, "body": "Nice."}, {"id": 2, "body": None}])[0]
    assert written["arguments"] == ["api", "repos/a/b/issues/7/comments", "--method", "POST",
                                    "--input", "-"]  # fmt: skip
    body = written["payload"]["body"]
    assert body.startswith("<!-- benchkit-report: Quick -->\n## Quick\n\n| Method")


def test_the_next_replaces_it_also_on_another_page(call):
    old = comment["make_body"]("| old |", "Quick")
    others = [{"id": 1, "body": comment["make_body"]("x", "Other")}, {"id": 5, "body": old}]
    _, written = call(others)[0]
    assert written["arguments"][1:4] == ["repos/a/b/issues/comments/5", "--method", "PATCH"]


def test_what_is_missing_is_named(call):
    assert "no such table" in call([], code=1, TABLE="none.md")[1]
    assert "no pull request" in call([], code=1, PULL_REQUEST="")[1]


def test_a_long_table_ends_with_a_whole_row():
    table = "".join(f"| row {place} | .123 |\n" for place in range(10_000))
    body = comment["make_body"](table, "T")
    assert len(body) <= comment["LONGEST"] < 65_536
    *rows, _, note = body.splitlines()
    assert note.startswith("The rest is left out") and rows[-1].endswith("|")
    assert body.count("| row ") > 2_000


def test_a_title_cannot_close_the_mark():
    assert comment["make_mark"]("a --> b").count("-->") == 1
