"""A server for suites, and the command line in a folder."""

import pytest
from typer.testing import CliRunner

from benchkit.cli.main import app
from tests.support.openai_server import TestServer
from tests.support.server_backends import EchoBackend
from tests.support.server_suites import list_candidates


@pytest.fixture
def environment(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture
def server():
    with TestServer(EchoBackend(reply=list_candidates), model="m") as running:
        yield running


@pytest.fixture
def benchkit(tmp_path, monkeypatch):
    """Calls `benchkit COMMAND --suite ...` in a folder; returns exit code and screen."""
    monkeypatch.chdir(tmp_path)

    def call(command, suite, *options):
        done = CliRunner().invoke(app, [command, "--suite", str(suite), *options])
        assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
        return done.exit_code, " ".join(done.stdout.split())

    return call
