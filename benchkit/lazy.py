"""Loading by name: `package.module:Attribute`, and what to say when a name is not known."""

import difflib
import importlib
from collections.abc import Iterable
from typing import Any

from benchkit.errors import ConfigError


def load(path: str) -> Any:
    """The object at `module:attribute`."""
    module, _, attribute = path.partition(":")
    return getattr(importlib.import_module(module), attribute)


def unknown_name(kind: str, name: str, known: Iterable[str]) -> ConfigError:
    """A ConfigError for `name` that suggests the names nearest to it."""
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
    mend = f"did you mean {' or '.join(map(repr, near))}?" if near else f"known: {', '.join(names)}"
    return ConfigError(f"unknown {kind} {name!r}", mend)
