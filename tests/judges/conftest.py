"""Fixtures of tests that ask a server."""

import pytest

from tests.support.openai_engine import KEY
from tests.support.openai_server import TestServer
from tests.support.server_backends import EchoBackend


@pytest.fixture
def environment(monkeypatch):
    """A key for servers, and no proxy between here and them."""
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture
def echo():
    """A server that answers without a model."""
    with TestServer(EchoBackend()) as server:
        yield server
