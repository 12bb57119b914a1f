"""Fixtures of tests that ask a server."""

import pytest

from lm.asking_server import KEY
from lm.model_server import EchoBackend
from lm.server import TestServer


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
