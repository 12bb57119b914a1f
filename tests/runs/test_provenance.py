"""What is recorded of the machine leaves no trace in the checkout."""

import shutil
import subprocess
from pathlib import Path

import pytest

import benchkit
from benchkit.runs import provenance


@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
def test_the_revision_is_read_without_a_lock(tmp_path, monkeypatch):
    def git(*arguments):
        identity = ["-c", "user.name=n", "-c", "user.email=e@example.org"]
        command = ["git", "-C", str(tmp_path), *identity, *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    (tmp_path / "benchkit").mkdir()
    source = tmp_path / "benchkit" / "__init__.py"
    source.write_text("")
    git("init", "-q")
    git("add", ".")
    git("commit", "-q", "-m", "first")
    monkeypatch.setattr(benchkit, "__file__", str(source))
    (tmp_path / ".git" / "index.lock").write_text("")  # of somebody else
    index = (tmp_path / ".git" / "index").read_bytes()
    source.touch()  # so that git would like to refresh its index
    assert provenance._git_revision() == git("rev-parse", "HEAD")
    source.write_text("changed = 1\n")
    assert provenance._git_revision() == git("rev-parse", "HEAD") + "+"
    assert (tmp_path / ".git" / "index").read_bytes() == index
    assert Path(tmp_path / ".git" / "index.lock").exists()


@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
def test_git_is_asked_not_to_lock(monkeypatch):
    commands = []

    def run(command, **options):
        commands.append(command)
        return subprocess.CompletedProcess(command, 0, stdout="abc")

    monkeypatch.setattr(subprocess, "run", run)
    monkeypatch.setattr(Path, "exists", lambda path: True)
    assert provenance._git_revision() == "abc+"
    assert all(command[1] == "--no-optional-locks" for command in commands)
