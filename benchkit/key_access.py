"""Which API key may go to which server: the user says so, never a suite.

OpenAI's key may go to OpenAI and to this machine. Every other pair of a variable and a host is
allowed by the user, once: by `--allow-key VARIABLE=HOST`, by the environment variable
BENCHKIT_ALLOW_KEYS, which reaches the processes that runs are computed in, or by a file keys.toml.
"""

import ipaddress
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict

from benchkit.config.loading import load_model
from benchkit.errors import ConfigError

ALLOW_VARIABLE = "BENCHKIT_ALLOW_KEYS"
OPENAI_KEY = "OPENAI_API_KEY"
OPENAI_URL = "https://api.openai.com/v1"
_OPENAI_HOST = "api.openai.com"


class KeyPair(NamedTuple):
    """A key, by the environment variable that holds it, and the server that may have it."""

    variable: str
    host: str
    """A host name or an address, maybe with `:port`; without one it holds for every port."""

    def __str__(self) -> str:
        return f"{self.variable}={self.host}"


class _KeyFile(BaseModel):
    """The user's file `keys.toml`."""

    model_config = ConfigDict(extra="forbid")

    allow: tuple[str, ...] = ()


def key_file() -> Path:
    """Return the place of the user's own list of allowed pairs."""
    folder = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    return Path(folder) / "benchkit" / "keys.toml"


def parse_key_pair(text: str) -> KeyPair:
    """Return the pair that a text such as "OPENAI_API_KEY=gpu01" names.

    Raises:
        ConfigError: It is none.

    >>> parse_key_pair("MY_KEY = GPU01:8000")
    KeyPair(variable='MY_KEY', host='gpu01:8000')
    """
    variable, _, host = (part.strip() for part in text.partition("="))
    if not re.fullmatch(r"\w+", variable) or not re.fullmatch(r"[\w.:\[\]-]+", host):
        raise ConfigError(
            f"{text!r} does not say which key may go where",
            f"VARIABLE=HOST, e.g. {OPENAI_KEY}=gpu01.example.org",
        )
    return KeyPair(variable, host.lower())


@contextmanager
def allow_keys(pairs: Iterable[str]) -> Iterator[None]:
    """Allow pairs for the time of the block, in this process and in those that it starts.

    Raises:
        ConfigError: One is not VARIABLE=HOST.
    """
    texts = [pairs] if isinstance(pairs, str) else pairs
    parsed = [str(parse_key_pair(text)) for text in texts]
    before = os.environ.get(ALLOW_VARIABLE)
    if parsed:
        os.environ[ALLOW_VARIABLE] = ",".join([*filter(None, [before]), *parsed])
    try:
        yield
    finally:
        if before is not None:
            os.environ[ALLOW_VARIABLE] = before
        else:
            os.environ.pop(ALLOW_VARIABLE, None)


def read_api_key(variable: str, base_url: str) -> str:
    """Return the key for a server; "" where the environment has none.

    Raises:
        ConfigError: There is one, and nobody allowed that it goes to this server.
    """
    key = os.environ.get(variable, "").strip()
    if key and not _is_allowed(variable, base_url):
        host = _host(base_url)
        pair = KeyPair(variable, host)
        raise ConfigError(
            f"the key in {variable} would go to {host} ({base_url}), which was not allowed",
            f'if that is right, --allow-key {pair}; for good, allow = ["{pair}"] in'
            f' {key_file()}; for a server that needs no key, api_key_env = "" in its settings',
        )
    return key


def check_keys(settings: Any) -> None:
    """Check all servers that settings name, at any depth. Nothing is sent.

    Raises:
        ConfigError: A key would go where it is not allowed to.
    """
    if isinstance(settings, BaseModel):
        settings = settings.model_dump(mode="json")
    if isinstance(settings, Mapping):
        if "base_url" in settings or settings.get("kind") == "openai":
            variable = settings.get("api_key_env", OPENAI_KEY)
            read_api_key(str(variable), str(settings.get("base_url", OPENAI_URL)))
        settings = list(settings.values())
    if isinstance(settings, list | tuple):
        for value in settings:
            check_keys(value)


def _is_allowed(variable: str, base_url: str) -> bool:
    host = _host(base_url)
    name = urlsplit(base_url).hostname or ""
    if variable == OPENAI_KEY:
        is_openai = name.rstrip(".") == _OPENAI_HOST and base_url.lower().startswith("https:")
        if is_openai or _is_this_machine(name):
            return True
    listed = os.environ.get(ALLOW_VARIABLE, "").split(",")
    if (path := key_file()).is_file():
        listed += load_model(path, _KeyFile).allow
    pairs = [parse_key_pair(text) for text in listed if text.strip()]
    return any(pair in (KeyPair(variable, host), KeyPair(variable, name)) for pair in pairs)


def _host(base_url: str) -> str:
    """Return the host of an address, with its port where it has one."""
    return urlsplit(base_url).netloc.rpartition("@")[2].lower()


def _is_this_machine(host: str) -> bool:
    """Return whether a host is this machine under a name that no name server decides on."""
    if host.rstrip(".") == "localhost":
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified  # 0.0.0.0, as servers print it
