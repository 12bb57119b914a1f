"""Keys go only where the user said that they may."""

import os

import pytest

from benchkit.errors import ConfigError
from benchkit.key_access import allow_keys, check_keys, parse_key_pair, read_api_key
from benchkit.lm.engines import validate_engine_config
from benchkit.lm.engines.openai.client import OpenAIClient
from tests.lm.conftest import KEY
from tests.support.command_line import invoked
from tests.support.openai_server import TestServer

SUITE = """
[[datasets]]
name = "toy"
source = "toy"
options = {{ users = 12, items = 60 }}
candidates = {{ count = 4 }}
[[methods]]
method = "zero-shot"
[methods.config]
backbone = "tiny"
engine = {{ kind = "openai", base_url = "{url}", model = "tiny"{more} }}
"""


@pytest.fixture(autouse=True)
def _environment(monkeypatch, tmp_path):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("MY_KEY", KEY)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.delenv("BENCHKIT_ALLOW_KEYS", raising=False)


@pytest.mark.parametrize(
    ("variable", "url"),
    [
        ("OPENAI_API_KEY", "https://api.openai.com/v1"),
        ("OPENAI_API_KEY", "https://API.OpenAI.com.:443/v1"),
        ("OPENAI_API_KEY", "http://localhost:8000/v1"),
        ("OPENAI_API_KEY", "http://127.3.2.1/v1"),
        ("OPENAI_API_KEY", "http://[::1]:8000/v1"),
        ("OPENAI_API_KEY", "http://0.0.0.0:8000/v1"),
    ],
)
def test_the_default_key_goes_to_openai_and_to_this_machine(variable, url):
    assert read_api_key(variable, url) == KEY


@pytest.mark.parametrize(
    ("variable", "url"),
    [
        ("OPENAI_API_KEY", "http://api.openai.com/v1"),  # in clear text
        ("OPENAI_API_KEY", "https://api.openai.com.evil.example/v1"),
        ("OPENAI_API_KEY", "https://evil.example/api.openai.com/v1"),
        ("OPENAI_API_KEY", "https://xapi.openai.com/v1"),
        ("OPENAI_API_KEY", "http://localhost.evil.example/v1"),
        ("OPENAI_API_KEY", "http://127.0.0.1.evil.example/v1"),
        ("OPENAI_API_KEY", "http://10.0.0.1/v1"),
        ("OPENAI_API_KEY", "http://2130706433/v1"),
        ("MY_KEY", "https://api.openai.com/v1"),
        ("MY_KEY", "http://127.0.0.1:8000/v1"),
    ],
)
def test_every_other_pair_is_refused_with_what_to_type(variable, url):
    with pytest.raises(ConfigError) as raised:
        read_api_key(variable, url)
    text = str(raised.value)
    assert KEY not in text and f"--allow-key {variable}=" in text
    pair = text.partition("--allow-key ")[2].partition(";")[0]
    with allow_keys([pair]):
        assert read_api_key(variable, url) == KEY
    assert "BENCHKIT_ALLOW_KEYS" not in os.environ


def test_a_pair_holds_for_its_variable_host_and_port_alone(monkeypatch, tmp_path):
    monkeypatch.setenv("BENCHKIT_ALLOW_KEYS", "MY_KEY=gpu01:8000, OPENAI_API_KEY=gpu02")
    assert read_api_key("MY_KEY", "http://GPU01:8000/v1")
    assert read_api_key("OPENAI_API_KEY", "http://gpu02:1234/v1")
    for variable, url in (
        ("MY_KEY", "http://gpu01:8001/v1"), ("MY_KEY", "http://gpu02/v1"),
        ("OPENAI_API_KEY", "http://gpu01:8000/v1"),
    ):  # fmt: skip
        with pytest.raises(ConfigError, match="was not allowed"):
            read_api_key(variable, url)
    (tmp_path / "config" / "benchkit").mkdir(parents=True)
    (tmp_path / "config" / "benchkit" / "keys.toml").write_text('allow = ["MY_KEY=gpu02"]')
    assert read_api_key("MY_KEY", "http://gpu02/v1")


@pytest.mark.parametrize("text", ["", "MY_KEY", "MY_KEY=", "=host", "A B=host", "K=ho st", "K=*"])
def test_what_is_no_pair_is_refused(text):
    with pytest.raises(ConfigError, match="which key may go where"):
        parse_key_pair(text)


def test_no_key_needs_no_permission(monkeypatch):
    monkeypatch.delenv("MY_KEY")
    assert read_api_key("MY_KEY", "http://gpu01/v1") == ""
    assert read_api_key("", "http://gpu01/v1") == ""


@pytest.mark.parametrize(
    "settings",
    [
        {"engine": {"kind": "openai", "base_url": "http://evil.example/v1", "model": "m"}},
        {"teacher": {"engine": {"kind": "openai", "api_key_env": "MY_KEY", "model": "m"}}},
        {"judges": [{"config": {"engine": {"base_url": "http://evil.example/v1"}}}]},
    ],
)
def test_servers_of_teachers_and_judges_are_checked_as_well(settings):
    with pytest.raises(ConfigError, match="was not allowed"):
        check_keys(settings)


@pytest.fixture
def server():
    class Says:
        def generate(self, prompts, decoding):
            raise AssertionError

    with TestServer(Says()) as running:
        yield running


@pytest.mark.parametrize("more", [', api_key_env = "MY_KEY"', ', api_key_env = "HOME"'])
def test_a_suite_does_not_send_what_it_names(tmp_path, monkeypatch, server, more):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "s.toml").write_text(SUITE.format(url=server.url, more=more))
    with pytest.raises(ConfigError, match="was not allowed"):
        invoked("run", "--suite", "s.toml")
    assert not server.seen and not (tmp_path / "runs").exists()


def test_an_option_allows_a_pair_for_one_command(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = SUITE.format(url="http://gpu01.example:8000/v1", more=', api_key_env = "MY_KEY"')
    (tmp_path / "s.toml").write_text(text)
    command = ("run", "--suite", "s.toml", "--dry-run", "--allow-key")
    assert "zero-shot" in invoked(*command, "MY_KEY=gpu01.example").stdout
    for wrong in ("MY_KEY=gpu02", "OPENAI_API_KEY=gpu01.example"):
        with pytest.raises(ConfigError, match="was not allowed"):
            invoked(*command, wrong)
    with pytest.raises(ConfigError, match="which key may go where"):
        invoked(*command, "gpu01")


@pytest.mark.parametrize(
    "url",
    ["http://127.0.0.1\\@evil.example/v1", "http://127.0.0.1\\evil.example", "http://a b/v1",
     "http://é.example/v1", "http://user@host/v1", "http://127.0.0.1\t/v1", "file:///etc/passwd",
     "http://:80/v1", "http://host/v1?x=1"],
)  # fmt: skip
def test_an_address_that_can_be_read_in_two_ways_is_none(url):
    with pytest.raises(ConfigError, match="must "):
        validate_engine_config({"kind": "openai", "model": "m", "base_url": url})


def test_nothing_of_the_account_goes_to_a_server_without_its_key(monkeypatch):
    monkeypatch.setenv("OPENAI_ORG_ID", "org-1")
    monkeypatch.setenv("OPENAI_PROJECT_ID", "project-1")
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", "X-Secret: s")
    for url, variable, sent in (
        ("http://gpu01/v1", "", False), ("https://api.openai.com/v1", "OPENAI_API_KEY", True),
    ):  # fmt: skip
        client = OpenAIClient(url, "m", variable, 1.0)._openai
        headers = {str(v) for v in client.default_headers.values()}
        assert ({"org-1", "project-1", "s"} <= headers) is sent
        assert bool({"org-1", "project-1", "s"} & headers) is sent
