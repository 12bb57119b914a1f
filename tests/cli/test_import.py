"""Cases out, answers in, as a person does it."""

import json

import pytest

from benchkit.errors import BenchkitError
from tests.support.command_line import invoked

SUITE = """
title = "Toy"
[[datasets]]
name = "toy"
source = "toy"
options = { users = 60, items = 60 }
[[methods]]
method = "random"
"""


def said(*arguments, code=0):
    return invoked(*arguments, code=code).output


@pytest.fixture
def cases(tmp_path, monkeypatch):
    """The cases of mine.toml, as `benchkit data cases` writes them."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.toml").write_text(SUITE)
    text = said("data", "cases", "--suite", "mine.toml", "--dataset", "toy", "--out", "c.jsonl")
    header = json.loads((tmp_path / "c.meta.json").read_text())
    assert f"60 cases, hash {header['cases_hash']}" in text and "wrote c.meta.json" in text
    return [json.loads(line) for line in (tmp_path / "c.jsonl").read_text().splitlines()]


def answered(cases):
    return "case_id,ranking\n" + "".join(
        f'{case["case_id"]},"[""{case["candidates"][0]["item"]}""]"\n' for case in cases
    )


def test_cases_out_answers_in_and_the_table(cases, tmp_path):
    said("run", "--suite", "mine.toml")
    (tmp_path / "p.csv").write_text(answered(cases[:-1]))
    cases_hash = json.loads((tmp_path / "c.meta.json").read_text())["cases_hash"]
    asked = (
        "import", "--suite", "mine.toml", "--dataset", "toy", "--label", "theirs", "--family", "cf",
        "--paper", "A. Body (2031)", "--file", "p.csv", "--cases-hash", cases_hash,
    )  # fmt: skip
    text = said(*asked)
    assert "imported theirs on toy, run " in text and "scored hr@1 0." in text
    assert "(chance 0.033)" in text and "wrote leaderboards/mine: table.md" in text
    assert "theirs" in (tmp_path / "leaderboards" / "mine" / "table.md").read_text("utf-8")
    assert "1 case without an answer, a miss each" in text
    assert "was imported already: theirs" in said(*asked)
    table = said("report", "--suite", "mine", "--format", "md")
    assert "| random° | control |" in table and "theirs°¹,²,³ | cf |" in table
    assert "¹ external: imported from p.csv, sha256" in table and "A. Body (2031)" in table
    assert "² 1 of 60 cases are not in its file and count as misses" in table
    assert "external: imported from p.csv" in said("report", "--suite", "mine", "--format", "csv")
    assert "wrong" not in said("validate", "runs")
    assert "theirs" in said("ls", "runs")
    assert "random - theirs" in said("compare", "random", "theirs")


def test_a_run_folder_goes_from_store_to_store(cases, tmp_path):
    assert cases
    said("run", "--suite", "mine.toml", "--out", "there")
    (folder,) = (tmp_path / "there").glob("mine/toy/random/*")
    text = said("import", "--suite", "mine.toml", "--run", folder, "--label", "random, there")
    assert "imported random, there on toy" in text
    assert "see: benchkit report --suite mine --out runs" in said(
        "import", "--suite", "mine.toml", "--run", folder, "--label", "b", "--leaderboards", "none"
    )
    assert "external: imported from run" in said("report", "--suite", "mine", "--format", "latex")
    (folder / "metrics.parquet").unlink()
    with pytest.raises(BenchkitError) as caught:
        said("import", "--suite", "mine.toml", "--run", folder)
    assert "metrics.parquet is missing" in caught.value.cause and caught.value.exit_code == 3


def test_wrong_usage_and_wrong_files(cases, tmp_path):
    said("import", "--suite", "mine.toml", code=2)
    said("import", "--suite", "mine.toml", "--file", "p.csv", "--run", "x", code=2)
    said("data", "cases", "--suite", "mine.toml", "--out", "c.csv", code=2)
    (tmp_path / "p.csv").write_text(answered([*cases, cases[0]]))
    (tmp_path / "p.meta.json").write_bytes((tmp_path / "c.meta.json").read_bytes())
    for options, cause, exit_code in (
        (("--label", "x"), "p.csv, line 62: case 'test:u0': was answered already, line 2", 3),
        (("--label", ""), "a row needs a label", 2),
        (("--label", "x", "--dataset", "tox"), "unknown dataset of suite 'mine': 'tox'", 2),
        (("--label", "x", "--cases-hash", "no"), "it answers other cases", 3),
    ):
        with pytest.raises(BenchkitError) as caught:
            said("import", "--suite", "mine.toml", "--file", "p.csv", *options)
        assert cause in caught.value.cause and caught.value.hint
        assert caught.value.exit_code == exit_code
