"""The command line, as a person meets it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.command_line import invoked
from tests.support.doc_blocks import read_blocks
from tests.support.sealing import reseal

SUITE = """
title = "Toy"
protocols = ["scored", "full", "sampled"]
decoding = { n = 3 }
[[datasets]]
name = "toy"
source = "toy"
options = { users = 60, items = 60 }
[[methods]]
method = "random"
[[methods]]
method = "popularity"
"""

README = Path(__file__).parents[2] / "README.md"


def benchkit(*arguments, cwd, code=0, env=None):
    done = subprocess.run(
        [sys.executable, "-m", "benchkit", *arguments], cwd=cwd, capture_output=True, text=True,
        env={**os.environ, "COLUMNS": "140", **(env or {})},
    )  # fmt: skip
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "mine.toml").write_text(SUITE)
    return tmp_path


def test_run_report_and_validate(folder):
    first = benchkit("run", "--suite", "mine.toml", cwd=folder)
    assert "2 runs, 2 computed now" in first
    assert "popularity" in first and "Chance" in first
    assert "random°" in first
    assert "sampled: 3 answers at temperature 0.7" in first
    assert "Do not sample: popularity." in first
    second = benchkit("run", "--suite", "mine.toml", cwd=folder)
    assert "2 runs, 0 computed now" in second
    written = folder / "leaderboards" / "mine"
    for kind, name in (("md", "table.md"), ("latex", "table.tex"), ("csv", "leaderboard.csv")):
        assert benchkit("report", "--suite", "mine", "--format", kind, cwd=folder) == (
            written / name
        ).read_text(encoding="utf-8")
    assert "wrong" not in benchkit("validate", "runs", cwd=folder)
    listed = json.loads(benchkit("ls", "runs", "--json", cwd=folder))
    assert {(r["method"], r["status"]) for r in listed} == {
        ("random", "complete"), ("popularity", "complete"),
    }  # fmt: skip


def test_a_reader_that_leaves_costs_no_leaderboard(folder):
    reading, writing = os.pipe()
    os.close(reading)  # as `benchkit run ... | head` in the end
    command = [sys.executable, "-m", "benchkit", "run", "--suite", "mine.toml"]
    done = subprocess.run(command, cwd=folder, stdout=writing, stderr=subprocess.PIPE, text=True)
    os.close(writing)
    assert (done.returncode, done.stderr) == (0, "")
    assert "popularity" in (folder / "leaderboards" / "mine" / "table.md").read_text("utf-8")


def test_an_interruption_says_what_is_kept_and_how_to_go_on(folder, monkeypatch):
    def stop(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("benchkit.api.run", stop)
    done = invoked("run", "--suite", folder / "mine.toml", "--out", folder / "runs", code=130)
    assert f"what is complete is kept in {folder / 'runs'}" in done.stderr
    assert "run the same command again to go on" in done.stderr


def test_validate_finds_a_changed_number(folder):
    benchkit("run", "--suite", "mine.toml", cwd=folder)
    path = next((folder / "runs" / "mine").glob("*/popularity/*/manifest.json"))
    manifest = json.loads(path.read_text())
    manifest["summary"][0]["mean"] += 0.1
    path.write_text(json.dumps(manifest))
    said = benchkit("validate", "runs", cwd=folder, code=1)
    assert "damaged: its content is not what was written" in said
    reseal(path.parent)
    assert "but its cases give" in benchkit("validate", "runs", cwd=folder, code=1)


def test_dry_run_computes_nothing(folder):
    said = benchkit("run", "--suite", "mine.toml", "--dry-run", cwd=folder)
    assert said.count("to run") == 2
    assert not (folder / "runs").exists()


def test_the_method_in_the_readme_runs(folder):
    (code,) = [block.code for block in read_blocks(README) if block.title == "my_rec.py"]
    assert len(code.splitlines()) <= 15
    (folder / "my_rec.py").write_text(code)
    said = benchkit("run", "--suite", "mine.toml", "--method", "my_rec.py:MyRec", cwd=folder)
    assert "MyRec" in said and "1 run, 1 computed now" in said


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("run", "--suite", "quikstart"), 2, "did you mean 'quickstart'"),
        (("run", "--suite", "no.toml"), 2, "no such suite file"),
        (("run", "--suite", "mine.toml", "--method", "popularty"), 2, "did you mean 'popularity'"),
        (("run", "--suite", "mine.toml", "--method", "x.py:Y"), 2, "no such file"),
        (("run", "--suite", "mine.toml", "--seed", "a"), 2, "a comma-separated list of"),
        (("report", "--suite", "mine"), 4, "benchkit run --suite mine.toml --out runs"),
        (("report", "--suite", "mine.toml"), 4, "suite 'mine' has not been run"),
        (("report", "--suite", "quikstart@9users"), 4, "there is no suite 'quikstart@9users'"),
        (("compare", "--suite", "quickstart@9users"), 4, "--suite quickstart --limit-users 9"),
        (("diagnose", "--suite", "quikstart"), 4, "did you mean 'quickstart'"),
        (("validate", "nothing.txt"), 2, "cannot be checked"),
        (("ls", "nonsense"), 2, "nonsense"),
    ],
)
def test_wrong_usage_names_the_cause_and_the_hint(folder, arguments, code, message):
    said = benchkit(*arguments, cwd=folder, code=code)
    assert message in said
    assert "Traceback" not in said


def test_bad_data_ends_with_its_own_code(folder):
    (folder / "i.csv").write_text("user,item,rating\nu,a,5\nu,b,five\n")
    (folder / "t.csv").write_text("item,title\na,A\nb,B\n")
    (folder / "own.toml").write_text(
        'title = "x"\n[[datasets]]\nname = "x"\nsource = "table"\n'
        'options = { interactions = "i.csv", items = "t.csv" }\n[[methods]]\nmethod = "random"\n'
    )
    said = benchkit("run", "--suite", "own.toml", cwd=folder, code=3)
    assert "i.csv, line 3, column 'rating'" in said


def test_a_failed_run_ends_with_one_and_stands_in_the_table(folder):
    (folder / "bad.py").write_text(
        "class Bad:\n    capabilities = frozenset({'scores'})\n"
        "    def fit(self, data, run): raise ValueError('no good')\n"
        "    def predict(self, requests, run): ...\n"
    )
    said = benchkit("run", "--suite", "mine.toml", "--method", "bad.py:Bad", cwd=folder, code=1)
    assert "failed: it raised ValueError: no good" in said


def test_ls_and_doctor(folder):
    cards = json.loads(benchkit("ls", "methods", "--json", cwd=folder))
    assert {"random", "popularity", "item-knn", "ease", "markov", "sasrec"} <= {
        card["name"] for card in cards
    }
    assert all(card["paper"] and card["summary"] for card in cards if card["family"] != "other")
    assert "quickstart" in benchkit("ls", "suites", cwd=folder)
    assert "ml-100k" in benchkit("ls", "datasets", cwd=folder)
    assert "numpy" in benchkit("doctor", cwd=folder)
    assert "ok" in benchkit("validate", cwd=folder)
