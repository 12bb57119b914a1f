"""A damaged store: nothing is silent, nothing ends in a traceback, and `run` mends what it can."""

import os
import random
import re
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from benchkit.cli.main import app
from benchkit.errors import BenchkitError
from tests.support.damages import DAMAGES, SAMPLE
from tests.support.samplers import SAMPLERS
from tests.support.suites import METHODS
from tests.support.toy_judges import EXPLAINERS, JUDGES

SUITE = """
title = "Small"
protocols = ["scored", "sampled"]
metrics = ["hr@1", "ndcg@5", "coverage@5"]
primary = "ndcg@5"
seeds = [0, 1]
decoding = { n = 2 }
[[datasets]]
name = "toy"
source = "toy"
options = { users = 30, items = 40 }
candidates = { count = 5 }
[[methods]]
method = "recs.py:Counts"
[[methods]]
method = "recs.py:Noise"
[[methods]]
method = "recs.py:Explains"
[[methods]]
method = "recs.py:Raises"
[judging]
cases = 20
[[judging.judges]]
judge = "judges.py:Strict"
label = "strict"
"""
RUN = ("run", "--suite", "small.toml")
REPORT = ("report", "--suite", "small", "--format", "md")
COMPARE = ("compare", "--suite", "small", "--metric", "ndcg@5", "Counts", "Noise")


@pytest.fixture(scope="module")
def origin(tmp_path_factory):
    """A folder with a suite, its data and its store, and what is printed of it."""
    place = tmp_path_factory.mktemp("damages")
    (place / "recs.py").write_text(METHODS + SAMPLERS + EXPLAINERS)
    (place / "judges.py").write_text(JUDGES)
    (place / "small.toml").write_text(SUITE)
    before = Path.cwd()
    os.chdir(place)
    try:
        assert call(*RUN)[0] == 1  # of the method that raises
        code, text = call("validate", "runs")
        assert code == 0, text
        printed = {name: call(*name) for name in (REPORT, COMPARE)}
        assert [code for code, _ in printed.values()] == [0, 0], printed
    finally:
        os.chdir(before)
    return place, printed


@pytest.fixture
def place(origin, tmp_path, monkeypatch):
    """A copy of it, in which one works."""
    shutil.copytree(origin[0], tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def call(*arguments):
    """Exit code and output of a command, which must not end in a traceback."""
    result = CliRunner().invoke(app, list(arguments))
    error = result.exception
    if isinstance(error, BenchkitError):
        return error.exit_code, f"{result.output}\n{error}"
    if error is not None and not isinstance(error, SystemExit):
        raise AssertionError(f"{arguments} ended in a traceback") from error
    return result.exit_code, result.output


def is_silent(code, text, printed):
    """Whether another text than before was printed as if nothing were wrong."""
    return code == 0 and text != printed[1]


def check_damage(place, printed):
    """No command may print other figures in silence, and `validate` finds the damage."""
    for name, before in printed.items():
        code, text = call(*name)
        assert not is_silent(code, text, before), (name, text)
    code, text = call("validate", "runs")
    assert code == 1 or (code > 1 and "damaged" in text), text


def check_mended(printed):
    """The same command again makes all what it was."""
    code, text = call(*RUN)
    assert "Traceback" not in text
    if code == 4:  # it says which file to delete first
        assert "hint: " in text or "delete" in text
        return
    assert code == 1, text  # the method that raises
    code, text = call(*REPORT)
    assert (code, without_seconds(text)) == (0, without_seconds(printed[REPORT][1]))
    assert call(*COMPARE) == printed[COMPARE]
    code, text = call("validate", "runs")
    assert code == 0, text


def without_seconds(text):
    """A report without its last column, the seconds of training: those of another run differ."""
    return re.sub(r"\| [0-9.]+ \|$", "|", text, flags=re.MULTILINE)


@pytest.mark.parametrize("name", SAMPLE)
def test_damage_is_found_and_mended(name, origin, place):
    DAMAGES[name](place / "runs")
    check_damage(place, origin[1])
    check_mended(origin[1])


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in DAMAGES if name not in SAMPLE])
def test_every_damage_is_found_and_mended(name, origin, place):
    DAMAGES[name](place / "runs")
    check_damage(place, origin[1])
    if name not in UNMENDED:
        check_mended(origin[1])


# What `run` refuses, or leaves to the user, and why.
UNMENDED = {
    "store.json cut": "which schema the store has is not known",
    "schema of later": "a newer benchkit may have written it",
    "ledger a folder": "somebody has to look",
    "run under another label": "so is what stands under a label of another method",
    "run under a new label": "what stands under a label that no suite names is left alone",
}


def test_there_are_80_damages():
    assert len(DAMAGES) >= 80


def flip(path, place):
    """Turn one bit of a file."""
    content = bytearray(path.read_bytes())
    content[place // 8 % len(content)] ^= 1 << place % 8
    path.write_bytes(content)


def files_of(store):
    return sorted(
        path
        for path in store.rglob("*")
        if path.is_file() and path.stat().st_size and ".locks" not in path.parts
    )


@pytest.mark.parametrize(
    "count", [10, pytest.param(900, marks=pytest.mark.slow)], ids=["some", "all"]
)
def test_no_flipped_bit_changes_a_figure_in_silence(count, origin, place):
    draw = random.Random(count)
    files = files_of(place / "runs")
    for _ in range(count):
        path = draw.choice(files)
        content = path.read_bytes()
        flip(path, draw.randrange(8 * len(content)))
        for name, before in origin[1].items():
            code, text = call(*name)
            assert not is_silent(code, text, before), (path, name, text)
        path.write_bytes(content)
    assert call(*REPORT) == origin[1][REPORT]
