"""The registry: built-in names, entry points, modules and files."""

import os
import subprocess
import sys

import pytest

from benchkit.errors import ConfigError
from benchkit.registry import Registry

NUMBERS = Registry("number", {"pi": "math:pi", "text": "string:digits"}, "none", base=float)
CODE = """
from benchkit.data.sources import SOURCES, read_source
print(list(SOURCES)[-1], len(read_source("mine", {}).interactions))
"""
SOURCE = """
import polars as pl
from benchkit.data.raw import RawData
from benchkit.data.sources.base import DataSource
def read():
    return RawData(pl.DataFrame({"user": ["u"], "item": ["i"]}), None)
MINE = DataSource("mine", read, lambda: [])
"""


def test_a_name_a_module_and_a_file_lead_to_an_object(tmp_path):
    (tmp_path / "mine.py").write_text("E = 2.5")
    assert NUMBERS.load("pi") == NUMBERS.load("math:pi")
    assert NUMBERS.load(f"{tmp_path}/mine.py:E") == 2.5
    assert "pi" in NUMBERS and list(NUMBERS) == ["pi", "text"]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("pj", r"unknown number 'pj'[\s\S]*did you mean 'pi'"),
        ("text", "number 'text': string:digits is not a number"),
        ("math:tau2", "math has no tau2"),
        ("no_such_module:X", "No module named 'no_such_module'"),
        ("none.py:X", "none.py: no such file"),
        (":", "no name stands behind the colon"),
        ("none.py:", "no name stands behind the colon"),
        ("math:a b", "no name stands behind the colon"),
        (":pi", "a name is missing before the colon"),
    ],
)
def test_errors_say_what_is_wrong(name, message):
    with pytest.raises(ConfigError, match=message):
        NUMBERS.load(name)


@pytest.mark.parametrize(
    ("line", "hint"),
    [
        ("import benchkit.no_such_part", "this benchkit has no benchkit.no_such_part: correct"),
        ("from benchkit.protocols import scored", "correct the import in .*old.py"),
        ("import no_such_package.part", "install no_such_package"),
    ],
)
def test_a_missing_module_is_installed_or_its_import_corrected(tmp_path, line, hint):
    (tmp_path / "old.py").write_text(f"{line}\nE = 1.0\n")
    with pytest.raises(ConfigError, match=f"hint: .*{hint}"):
        NUMBERS.load(f"{tmp_path}/old.py:E")


def test_a_file_that_raises_is_read_again(tmp_path):
    path = tmp_path / "broken.py"
    path.write_text("raise RuntimeError('not yet')")
    with pytest.raises(ConfigError, match="RuntimeError: not yet"):
        NUMBERS.load(f"{path}:E")
    path.write_text("E = 1.0  # now it is")
    assert NUMBERS.load(f"{path}:E") == 1.0


def test_packages_add_a_data_source_by_entry_point(tmp_path):
    info = tmp_path / "mine-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: mine\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[benchkit.sources]\nmine = my_source:MINE\n")
    (tmp_path / "my_source.py").write_text(SOURCE)
    done = subprocess.run(
        [sys.executable, "-c", CODE], capture_output=True, text=True, check=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])},
    )  # fmt: skip
    assert done.stdout.split() == ["mine", "1"]
