"""What says the same in several files: version, authors, licence, requirements, extras."""

import re
import tomllib
from pathlib import Path

import pytest

import benchkit

yaml = pytest.importorskip("yaml", reason="PyYAML is not installed")

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
CITATION = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))
RECIPE = yaml.safe_load((ROOT / "conda" / "recipe.yaml").read_text("utf-8"))
OTHER_NAMES = {"msgpack": "msgpack-python"}  # of conda
NOT_IN_ALL = {"test-slow", "all", "vllm", "notebooks", "docs", "test"}


def test_the_version_is_one():
    assert PROJECT["version"] == benchkit.__version__ == CITATION["version"]
    assert RECIPE["context"]["version"] == PROJECT["version"]
    (newest, *_) = re.findall(
        r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text("utf-8"), re.MULTILINE
    )
    assert PROJECT["version"].startswith(newest)


def test_every_version_of_the_changelog_stands_once_newest_first():
    names = re.findall(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text("utf-8"), re.MULTILINE)
    numbers = [tuple(map(int, name.split("."))) for name in names]
    assert numbers == sorted(set(numbers), reverse=True)


def test_authors_and_licence_are_one():
    (author,) = PROJECT["authors"]
    assert CITATION["authors"] == [author]
    assert CITATION["license"] == PROJECT["license"] == RECIPE["about"]["license"]


def test_the_citation_invents_nothing():
    assert set(CITATION) == {
        "cff-version", "message", "title", "abstract", "type", "authors", "version",
        "date-released", "license", "keywords",
    }  # fmt: skip
    text = (ROOT / "CITATION.cff").read_text("utf-8")
    assert "# doi: " in text and "# repository-code: " in text


def test_the_conda_recipe_requires_what_the_project_does():
    run = RECIPE["requirements"]["run"]
    ours = [re.fullmatch(r"([\w-]+)(.*)", line).groups() for line in PROJECT["dependencies"]]
    expected = [f"{OTHER_NAMES.get(name, name)} {bound}" for name, bound in ours]
    assert run == [f"python {PROJECT['requires-python']}", *expected]
    assert RECIPE["build"]["python"]["entry_points"] == [
        f"{name} = {target}" for name, target in PROJECT["scripts"].items()
    ]


def test_all_is_every_extra_for_users():
    extras = PROJECT["optional-dependencies"]
    lists = [re.fullmatch(r"benchkit\[(.+)\]", line)[1] for line in extras["all"]]
    names = ",".join(lists).split(",")
    assert len(names) == len(set(names))
    assert set(names) == set(extras) - NOT_IN_ALL


@pytest.mark.parametrize("name", ["SECURITY.md", "CODE_OF_CONDUCT.md"])
def test_these_pages_are_short_and_lead_somewhere(name):
    text = (ROOT / name).read_text("utf-8")
    assert 15 < len(text.splitlines()) < 60
    for target in re.findall(r"\]\(([^)]+)\)", text):
        assert (ROOT / target).exists()
    assert name in (ROOT / "README.md").read_text("utf-8")
