"""What methods, suites and servers say, as a person sees it: on the screen, in Markdown, in CSV."""

import csv
import json
import os
import subprocess
import sys

import pytest

from benchkit.visible_text import make_visible
from tests.support.openai_server import Edit, Raw, Status, TestServer
from tests.support.server_backends import EchoBackend
from tests.support.tiny_chat_model import tiny_tokenizer

METHODS = """
from benchkit.types import Prediction

class Evil:
    capabilities = frozenset({"scores"})
    def fit(self, data, run):
        run.progress.start("a\\x1b]0;title\\x07", 3)
        run.progress.advance(note="\\x9b31m\\u202e")
        raise ValueError("it \\x1b[2J\\x1b[H says \\u202etxt.exe [/nothing]\\r done")
    def predict(self, requests, run):
        yield from ()
"""
SUITE = """
title = "T"
protocols = ["scored"]
[[datasets]]
name = "toy"
source = "toy"
options = {{ users = 30, items = 40 }}
candidates = {{ count = 10 }}
{methods}
"""
EVIL = "\x1b[2J\x1b]0;t\x07 \u202etxt [/x] \x9b1m"


def benchkit(*arguments, cwd, terminal=False):
    environment = {**os.environ, "COLUMNS": "140", "NO_PROXY": "127.0.0.1"}
    if terminal:
        environment["FORCE_COLOR"] = "1"
    done = subprocess.run(
        [sys.executable, "-m", "benchkit", *arguments], cwd=cwd, capture_output=True, text=True,
        env=environment,
    )  # fmt: skip
    assert "Traceback" not in done.stdout + done.stderr, done.stderr
    return done


def is_harmless(text):
    return text == make_visible(text)


def write_suite(folder, *methods):
    blocks = "".join(f"[[methods]]\n{method}\n" for method in methods)
    (folder / "s.toml").write_text(SUITE.format(methods=blocks), encoding="utf-8")


def test_an_error_of_a_method_cannot_command_the_terminal(tmp_path):
    (tmp_path / "recs.py").write_text(METHODS)
    write_suite(tmp_path, 'method = "recs.py:Evil"')
    done = benchkit("run", "--suite", "s.toml", cwd=tmp_path)
    assert done.returncode == 1 and "\\x1b[2J" in done.stdout and "\\u202etxt.exe" in done.stdout
    assert "[/nothing]" in done.stdout
    assert is_harmless(done.stdout + done.stderr)
    again = benchkit("run", "--suite", "s.toml", cwd=tmp_path)  # says how it failed earlier
    report = benchkit("report", "--suite", "s", cwd=tmp_path)
    assert is_harmless(again.stdout + report.stdout + report.stderr)
    for name in ("table.md", "table.tex"):
        assert is_harmless((tmp_path / "leaderboards" / "s" / name).read_text(encoding="utf-8"))


@pytest.mark.parametrize("label", ["=1+1", "+cmd", "@SUM(A1)", "-x", "'=x"])
def test_a_label_that_is_a_formula_is_a_text_in_csv(tmp_path, label):
    write_suite(tmp_path, f'method = "popularity"\nlabel = "{label}"', 'method = "random"')
    assert benchkit("run", "--suite", "s.toml", cwd=tmp_path).returncode == 0
    written = tmp_path / "leaderboards" / "s"
    for path in written.rglob("*.csv"):
        with path.open(encoding="utf-8", newline="") as file:
            cells = {cell for row in csv.reader(file) for cell in row}
        assert label not in cells
    with (written / "leaderboard.csv").open(encoding="utf-8", newline="") as file:
        assert {row["method"] for row in csv.DictReader(file)} == {f"'{label}", "random"}
    assert label in benchkit("report", "--suite", "s", cwd=tmp_path).stdout  # the screen has it


def refuse(reply):
    return {"error": {"message": EVIL, "code": EVIL}}


def odd_finish(reply):
    for choice in reply["choices"]:
        choice["finish_reason"] = EVIL
    return reply


@pytest.mark.parametrize(
    "fault",
    [Status(400, body={"error": {"message": EVIL, "code": EVIL}}), Status(500, body=EVIL.encode()),
     Status(404, body={"detail": EVIL}), Edit(refuse), Edit(odd_finish), Raw(b"[" * 200_000)],
    ids=["400", "500", "404", "error", "finish", "deep"],
)  # fmt: skip
def test_what_a_server_says_cannot_either(tmp_path, fault):
    with TestServer(EchoBackend(tiny_tokenizer())) as server:
        server.always = fault
        engine = json.dumps(
            {"kind": "openai", "base_url": server.url, "model": "tiny", "max_retries": 0}
        ).replace('":', '" =')
        write_suite(tmp_path, f'method = "zero-shot"\nconfig = {{ engine = {engine} }}')
        text = (tmp_path / "s.toml").read_text().replace('["scored"]', '["scored", "sampled"]')
        (tmp_path / "s.toml").write_text(text)
        done = benchkit("run", "--suite", "s.toml", cwd=tmp_path)
    assert done.returncode == 1, done.stdout + done.stderr
    assert is_harmless(done.stdout + done.stderr)
    # What is quoted as JSON is written as JSON does.
    codes = ("nested too deeply", "\\x1b[2j", "\\u001b[2j")
    assert any(code in done.stdout.lower() for code in codes)
