"""`benchkit ls suites`: files and rows, and a copy of a suite that runs."""

import json
import tomllib
from pathlib import Path

import pytest

from benchkit.config.suite import list_shipped_suites, load_suite
from benchkit.errors import ConfigError
from tests.support.command_line import said


def test_json_has_the_file_and_every_row():
    listed = json.loads(said("ls", "suites", "--json"))
    assert {entry["name"] for entry in listed} == set(list_shipped_suites())
    for entry in listed:
        rows = tomllib.loads(Path(entry["file"]).read_text(encoding="utf-8"))["methods"]
        assert [row["method"] for row in entry["methods"]] == [row["method"] for row in rows]
        for row, written in zip(entry["methods"], rows, strict=True):
            assert row["label"] == written.get("label", written["method"])
            assert row["config"] == written.get("config", {})


def test_one_suite_and_a_table_of_all():
    (entry,) = json.loads(said("ls", "suites", "amazon5", "--json"))
    assert entry["name"] == "amazon5"
    assert "quickstart" in said("ls", "suites") and "quickstart" not in said(
        "ls", "suites", "eapo3"
    )
    with pytest.raises(ConfigError, match="amazon5"):
        said("ls", "suites", "amazon55")
    with pytest.raises(ConfigError, match="amazon5"):
        said("ls", "suites", "amazon55", "--toml")
    with pytest.raises(ConfigError, match="no TOML"):
        said("ls", "methods", "ease", "--toml")


@pytest.mark.parametrize("name", list_shipped_suites())
def test_a_copy_is_the_suite(tmp_path, name):
    copy = tmp_path / "mine.toml"
    copy.write_text(said("ls", "suites", name, "--toml"), encoding="utf-8")
    copied, shipped = load_suite(str(copy)), load_suite(name)
    assert copied.name == "mine" and copied.model_dump(exclude={"name"}) == shipped.model_dump(
        exclude={"name"}
    )


def test_a_copy_runs_and_computes_nothing_again(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    options = ("--method", "random,popularity", "--limit-users", "20")
    said("run", "--suite", "quickstart", *options)
    Path("mine.toml").write_text(said("ls", "suites", "quickstart", "--toml"), encoding="utf-8")
    output = said("run", "--suite", "mine.toml", *options)
    assert "linked 2 runs of suite quickstart@20users" in output and "0 computed now" in output
