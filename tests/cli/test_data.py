"""`benchkit data` as a person meets it."""

import json
import random
import sys
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from benchkit.cli.data import data_app as data
from benchkit.errors import ConfigError, DataError

SUITE = """
title = "Toy"
[[datasets]]
name = "grocery"
source = "toy"
options = { users = 60, items = 60 }
[[datasets]]
name = "small"
source = "toy"
options = { users = 40, items = 60 }
[[methods]]
method = "random"
"""
PUBLISHED = "paper,domain,method,metric,value\nc-apo,grocery,-,users,11334\n"


@pytest.fixture
def said(tmp_path, monkeypatch):
    """Runs a command in a folder of its own and returns what it printed."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "150")
    (tmp_path / "mine.toml").write_text(SUITE)
    app = typer.Typer()
    app.add_typer(data, name="data")

    def run(*arguments, code=0, raises=None):
        result = CliRunner().invoke(app, ["data", *map(str, arguments)])
        if raises is None:
            assert result.exit_code == code, result.output
            return result.output
        assert isinstance(result.exception, raises)
        return str(result.exception)

    return run


def cases(folder, leaky, name="cases.json"):
    rng, rows = random.Random(0), []
    for _ in range(300):
        target, *others = rng.sample(range(40), 8)
        listed = [f"Item {i}" for i in (*others, target)]
        (random.Random(target) if leaky else rng).shuffle(listed)
        rows.append({"a": listed, "b": f"Item {target}", "c": "Old One::Old Two"})
    (folder / name).write_text(json.dumps(rows))
    return name


def test_describe_prints_every_format_with_published_figures(said, tmp_path):
    (tmp_path / "published.csv").write_text(PUBLISHED)
    arguments = ("describe", "--suite", "mine.toml", "--published", "published.csv")
    assert "11,334" in said(*arguments) and "whole sequences" in said(*arguments)
    assert "| grocery | c-apo | 11,334 |" in said(*arguments, "--format", "md")
    assert r"grocery & c-apo & 11,334 &" in said(*arguments, "--format", "latex")
    lines = said(*arguments, "--format", "csv").splitlines()
    assert [line.split(",")[:3] for line in lines[1:]] == [
        ["grocery", "measured", "60"], ["grocery", "c-apo", "11334"], ["small", "measured", "40"],
    ]  # fmt: skip
    # Without the default folder there is simply nothing beside ours.
    assert "c-apo" not in said("describe", "--suite", "mine.toml")
    said(*arguments[:3], "--published", "none.csv", raises=DataError)


def test_prepare_shows_the_funnel_and_the_folder(said, tmp_path):
    out = said("prepare", "--suite", "mine.toml", "--dataset", "small")
    assert "interactions read" in out and "test cases" in out and "grocery" not in out
    folder = next(line for line in out.splitlines() if line.startswith("in ")).removeprefix("in ")
    assert (tmp_path / folder / "dataset.json").is_file()


def test_audit_of_a_suite_passes(said):
    out = said("audit", "--suite", "mine.toml", "--dataset", "small")
    assert out.count("no leak and no defect") == 2  # test and validation cases
    listed = json.loads(said("audit", "--dataset", "toy", "--json"))
    assert [part["cases"] for part in listed] == ["toy, test cases", "toy, valid cases"]
    assert {finding["severity"] for part in listed for finding in part["findings"]} == {"note"}


def test_audit_of_a_file_finds_the_leak(said, tmp_path):
    fields = ("--fields", "candidates=a,target=b,history=c", "--separator", "::")
    leaky = cases(tmp_path, leaky=True)
    out = said("audit", leaky, *fields, code=1)
    assert "place-given-target" in out and "leaks and defects" in out
    listed = json.loads(said("audit", leaky, *fields, "--json", code=1))
    leak = listed[0]["findings"][0]
    assert leak["severity"] == "leak" and leak["measures"]["hr@1"] > 0.5
    fair = cases(tmp_path, leaky=False, name="fair.json")
    assert "no leak and no defect" in said("audit", fair, *fields)
    known = said("audit", leaky, *fields, "--known", leaky, "--json", code=1)
    assert json.loads(known)[0]["findings"][0]["measures"]["hr@1"] > leak["measures"]["hr@1"]


def test_wrong_usage_is_explained(said, tmp_path):
    assert "FILE" in said("audit", code=2)
    assert "FILE" in said("audit", cases(tmp_path, leaky=False), "--dataset", "toy", code=2)
    assert "did you mean 'toy'" in said("audit", "--dataset", "toyy", raises=ConfigError)
    assert "no such file" in said("audit", "none.json", raises=DataError)
    assert "did you mean 'small'" in said(
        "prepare", "--suite", "mine.toml", "--dataset", "smal", raises=ConfigError
    )


def test_fetch_passes_on_what_was_asked_for(said, monkeypatch):
    asked = []

    class Fake:
        @staticmethod
        def fetch_dataset(dataset, folder, source=None, progress=None):
            asked.append((dataset, folder, source))
            return [folder / "ratings.csv"]

    monkeypatch.setitem(sys.modules, "benchkit.data.sources.download", Fake)
    out = said("fetch", "ml-1m", "--to", "here", "--from", "there")
    assert asked == [("ml-1m", Path("here"), Path("there"))]
    assert Path(out.strip()) == Path("here/ratings.csv")
