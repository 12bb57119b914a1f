"""Dockerfiles: what they copy exists and is let in, and nothing runs as root."""

import fnmatch
import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FILES = [ROOT / "Dockerfile", ROOT / "docker" / "gpu.Dockerfile"]
KNOWN = {"FROM", "WORKDIR", "RUN", "COPY", "ARG", "ENV", "USER", "ENTRYPOINT", "CMD"}


def instructions(path):
    """Return (name, arguments) of each instruction, lines joined, comments left out."""
    lines = [line for line in path.read_text("utf-8").splitlines() if not line.startswith("#")]
    joined = re.sub(r"\\\n\s*", " ", "\n".join(lines))
    return [tuple(line.split(" ", 1)) for line in joined.splitlines() if line.strip()]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_a_dockerfile_is_whole(path):
    parsed = instructions(path)
    assert {name for name, _ in parsed} <= KNOWN
    bases = [text.split()[0] for name, text in parsed if name == "FROM"]
    assert bases == ["python:3.11-slim"] * 2  # a version, and no registry of its own
    assert [text for name, text in parsed if name == "USER"] == ["1000"]
    assert parsed[-2:] == [("ENTRYPOINT", '["benchkit"]'), ("CMD", '["doctor"]')]
    for name, text in parsed:
        if name == "RUN" and "pip" in text:
            assert text.count("--no-cache-dir") == len(re.findall(r"pip (?:install|wheel)", text))
        if name == "RUN" and "apt-get" in text:
            assert "--no-install-recommends" in text and "rm -rf /var/lib/apt/lists" in text


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_extras_and_pins_are_those_of_the_project(path):
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    (extras,) = re.findall(r"^ARG EXTRAS=(.+)$", path.read_text("utf-8"), re.MULTILINE)
    assert set(extras.split(",")) <= set(project["optional-dependencies"])
    pin = re.findall(r"recbole==[\d.]+", path.read_text("utf-8"))
    assert pin and pin[0] in (ROOT / "Makefile").read_text("utf-8")


def test_the_build_gets_what_the_wheel_needs_and_no_more():
    rules = [
        line
        for line in (ROOT / ".dockerignore").read_text("utf-8").splitlines()
        if line and line[0] != "#"
    ]
    assert rules[0] == "*"
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    wheel = project["tool"]["hatch"]["build"]["targets"]["wheel"]
    needed = [*wheel["packages"], *wheel["force-include"], "pyproject.toml", "constraints.txt"]
    needed += [project["project"]["readme"], *project["project"]["license-files"]]
    allowed = {rule[1:] for rule in rules if rule[0] == "!"}
    assert allowed == set(needed)
    assert all((ROOT / name).exists() for name in needed)
    assert any(fnmatch.fnmatch("a/__pycache__", rule) for rule in rules[1:])


@pytest.mark.skipif(not shutil.which("hadolint"), reason="hadolint is not installed")
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_the_linter_finds_nothing(path):
    done = subprocess.run(["hadolint", str(path)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
