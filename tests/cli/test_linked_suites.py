"""A suite that shares rows with another one, from the command line: nothing is done twice."""

import csv
import json
from pathlib import Path

import pytest

from benchkit import run
from tests.support.command_line import said

SUITE = """
title = "A"
[[datasets]]
name = "toy"
source = "toy"
options = { users = 60, items = 50 }
candidates = { count = 10 }
[[methods]]
method = "popularity"
[[methods]]
method = "ease"
"""
MORE = SUITE.replace('title = "A"', 'title = "B"') + '[[methods]]\nmethod = "random"\n'


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.toml").write_text(SUITE)
    (tmp_path / "b.toml").write_text(MORE)
    return tmp_path


def leaderboard(suite):
    with Path(f"leaderboards/{suite}/leaderboard.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    return {row["method"]: row for row in rows}


def test_a_copied_suite_is_linked_and_reported_as_if_computed(folder):
    said("run", "--suite", "a.toml")
    dry = said("run", "--suite", "b.toml", "--dry-run")
    assert dry.count("to link") == 2 and dry.count("to run") == 1 and "suite a" in dry
    output = said("run", "--suite", "b.toml")
    assert "3 runs, 1 computed now" in output and "linked 2 runs of suite a" in output
    first, second = leaderboard("a"), leaderboard("b")
    assert set(second) == {"popularity", "ease", "random"}
    for method, row in first.items():
        same = {key for key in row if not key.startswith(("p", "rank", "best", "suite"))}
        assert {k: row[k] for k in same} == {k: second[method][k] for k in same}
    assert "linked" not in said("run", "--suite", "b.toml")
    assert said("validate", "runs")
    listed = json.loads(said("ls", "runs", "--json"))
    assert len(listed) == 5 and {entry["status"] for entry in listed} == {"complete"}
    assert "popularity" in said("compare", "popularity", "ease", "--suite", "b")
    page = (folder / "leaderboards" / "b" / "index.html").read_text()
    assert "popularity" in page


def test_python_says_what_was_linked(folder):
    run("a.toml", progress=False)
    report = run("b.toml", progress=False).run_report
    assert report.linked == {"a": 2} and (report.n_runs, report.n_computed) == (3, 1)
    again = run("b.toml", progress=False, overwrite="always").run_report
    assert again.linked == {} and again.n_computed == 3
