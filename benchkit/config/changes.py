"""Changes to the values of a suite from the command line: `--set KEY=VALUE`."""

import tomllib
from collections.abc import Mapping, Sequence
from typing import Any

from benchkit.errors import ConfigError, unknown_name_error

_EXAMPLE = "--set models.default.backbone=Qwen/Qwen3-4B, --set seeds=[0,1]"


def changes_models(changes: Sequence[str]) -> bool:
    """Return whether any change is to the suite's models."""
    return any(_split_change(change)[0][0] == "models" for change in changes)


def apply_changes(values: dict[str, Any], changes: Sequence[str]) -> None:
    """Change the values of a suite in place, before they are validated.

    A key is a path with dots: `decoding.n`, `models.default.backbone`. In lists of tables it names
    the entry, `methods.c-apo.config.beta`; names with dots are quoted. A value is TOML, and a text
    where it is none.

    Raises:
        ConfigError: A change has no key, or its key leads nowhere.
    """
    for change in changes:
        path, value = _split_change(change)
        target: Any = values
        for place, key in enumerate(path[:-1]):
            target = _enter(target, key, ".".join(path[: place + 1]))
        if isinstance(target, list):
            entries = _names(target)
            if path[-1] not in entries:
                raise unknown_name_error(f"entry in --set {change}:", path[-1], entries)
            target[entries[path[-1]]] = value
        elif isinstance(target, dict):
            target[path[-1]] = value
        else:
            raise ConfigError(f"--set {change}: {'.'.join(path[:-1])} is no table", _EXAMPLE)


def _enter(target: Any, key: str, where: str) -> Any:
    if isinstance(target, dict):
        return target.setdefault(key, {})
    if isinstance(target, list):
        entries = _names(target)
        if key not in entries:
            raise unknown_name_error(f"entry in --set {where}:", key, entries)
        return target[entries[key]]
    raise ConfigError(f"--set {where}: there is no table to look in", _EXAMPLE)


def _names(entries: Sequence[Any]) -> dict[str, int]:
    """Return name -> index of tables in a list: label, method or name, and the number from 0."""
    names = {str(index): index for index in range(len(entries))}
    for index, entry in enumerate(entries):
        if isinstance(entry, Mapping):
            name = entry.get("label") or entry.get("name") or entry.get("method")
            if isinstance(name, str):
                names[name] = index
    return names


def _split_change(change: str) -> tuple[list[str], Any]:
    key, separator, text = change.partition("=")
    if not separator or not key.strip():
        raise ConfigError(f"--set {change}: is not KEY=VALUE", _EXAMPLE)
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        value = text.strip()
    return _split_key(key.strip()), value


def _split_key(key: str) -> list[str]:
    """Split a path at its dots, but for those within quotes."""
    try:
        table: Any = tomllib.loads(f"{key} = 0")
    except tomllib.TOMLDecodeError:
        return [part.strip() for part in key.split(".")]  # a name such as rec-r1/query
    path = []
    while isinstance(table, dict):
        (name, table), *_ = table.items()
        path.append(name)
    return path
