"""Fixtures of several tests of language models."""

import pytest

from tests.support.openai_engine import KEY
from tests.support.openai_server import TestServer
from tests.support.server_backends import EchoBackend
from tests.support.tiny_chat_model import tiny_tokenizer


@pytest.fixture
def environment(monkeypatch):
    """A key for servers, and no proxy between here and them."""
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    """A tokenizer's folder."""
    path = tmp_path_factory.mktemp("tokenizer")
    tiny_tokenizer().save_pretrained(path)
    return path


@pytest.fixture
def echo():
    """A server that answers without a model."""
    with TestServer(EchoBackend(tiny_tokenizer())) as server:
        yield server
