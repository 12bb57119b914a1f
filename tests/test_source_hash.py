"""Which files the hash of some code covers, and what in them counts."""

import pytest

from benchkit.source_hash import hash_sources

METHOD = '''
"""Words."""
from typing import TYPE_CHECKING

import helper
from pydantic import BaseModel, Field

if TYPE_CHECKING:
    import unused


class Config(BaseModel):
    size: int = Field(default=3, description="Of it.")
    """Documentation."""


def check(value):
    """Words."""
    if value < 0:
        raise ValueError(f"{value} is negative", "so it is")
    error = KeyError("built first")
    if value > 9:
        raise Stop("too large") from error
    return value + len("numbers") + helper.ONE
'''


@pytest.fixture
def method(tmp_path):
    (tmp_path / "recs.py").write_text(METHOD)
    (tmp_path / "helper.py").write_text("ONE = 1\n")
    (tmp_path / "unused.py").write_text("ONE = 1\n")
    return tmp_path / "recs.py"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"""Words."""', '"""Other words, here."""'),
        ('    """Documentation."""\n', ""),
        ("Of it.", "Of something."),
        ("is negative", "is below zero"),
        ("so it is", "it is"),
        ("built first", "made first"),
        ("too large", "too big"),
        ("if value < 0:", "if value < 0:  # a comment"),
    ],
)
def test_words_change_nothing(method, old, new):
    before = hash_sources(method)
    assert old in METHOD
    method.write_text(METHOD.replace(old, new))
    assert hash_sources(method) == before


@pytest.mark.parametrize(
    ("old", "new"), [("< 0", "< 1"), ('"numbers"', '"digits"'), ("default=3", "default=4")]
)
def test_code_counts(method, old, new):
    before = hash_sources(method)
    method.write_text(METHOD.replace(old, new))
    assert hash_sources(method) != before


def test_a_file_computes_with_the_files_beside_it(method):
    before = hash_sources(method)
    (method.parent / "unused.py").write_text("ONE = 2\n")  # imported for type checkers only
    (method.parent / "other.py").write_text("ONE = 2\n")
    assert hash_sources(method) == before
    (method.parent / "helper.py").write_text("ONE = 2\n")
    assert hash_sources(method) != before


def test_files_beside_it_that_are_called_like_the_standard_library_do_not_count(method):
    before = hash_sources(method)
    (method.parent / "typing.py").write_text("ONE = 2\n")
    assert hash_sources(method) == before


@pytest.mark.parametrize(
    "line",
    ["import mine.sub.part", "from mine.sub import part", "from mine.sub.part import ONE",
     "from .sub import part", "from .sub.part import ONE", "from . import sub"],
)  # fmt: skip
def test_a_module_computes_with_those_of_its_package(tmp_path, line):
    package = tmp_path / "mine"
    (package / "sub").mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "sub" / "__init__.py").write_text("from mine.sub.part import ONE\n")
    (package / "sub" / "part.py").write_text("ONE = 1\n")
    (package / "method.py").write_text(line + "\n")
    before = hash_sources(package / "method.py")
    (package / "sub" / "part.py").write_text("ONE = 2\n")
    assert hash_sources(package / "method.py") != before


def test_methods_of_an_installed_catalog_count_for_a_file_that_builds_on_them(tmp_path):
    codes = set()
    for line in ("from baselines.cf.ease import EASE", "from baselines.cf.sasrec import SASRec"):
        (tmp_path / "mine.py").write_text(f"import numpy\n{line}\nONE = 1\n")
        codes.add(hash_sources(tmp_path / "mine.py"))
    (tmp_path / "mine.py").write_text("import numpy\nimport scipy\nONE = 1\n")
    assert len(codes | {hash_sources(tmp_path / "mine.py")}) == 3
