"""Write values of a suite as TOML, as a reader of it would write them."""

import json
from collections.abc import Mapping, Sequence
from typing import Any


def format_toml(value: Any) -> str:
    """Return a value in a line of TOML; tables are written inline, without what is None.

    Raises:
        TypeError: TOML has no such value.

    >>> format_toml({"name": "a b", "k": [1, 2.5, True]})
    '{ name = "a b", k = [1, 2.5, true] }'
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return _quote(value)
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, Mapping):
        entries = [f"{_key(k)} = {format_toml(v)}" for k, v in value.items() if v is not None]
        return f"{{ {', '.join(entries)} }}" if entries else "{}"
    if isinstance(value, Sequence):
        return f"[{', '.join(map(format_toml, value))}]"
    raise TypeError(f"TOML has no {type(value).__name__}")


def format_table(values: Mapping[str, Any]) -> str:
    """Return the lines of a table, a key a line."""
    return "".join(f"{_key(k)} = {format_toml(v)}\n" for k, v in values.items() if v is not None)


def _key(name: str) -> str:
    plain = name.replace("_", "").replace("-", "")
    return name if plain.isascii() and plain.isalnum() else _quote(name)


def _quote(text: str) -> str:
    # Strings of JSON are strings of TOML, but for this character, which TOML wants escaped.
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007F")
