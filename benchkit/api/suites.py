"""Suites by name, by file, or built in Python."""

import warnings
from collections.abc import Iterable
from operator import index
from pathlib import Path
from typing import Any

from benchkit.config.method_rows import make_method_spec
from benchkit.config.suite import MethodSpec, Suite, load_suite
from benchkit.errors import ConfigError, check_unique, unknown_name_error

MethodLike = str | MethodSpec | dict[str, Any] | type | object
"""A method: its name, `FILE.py:Class`, a `MethodSpec` (or a dict of its fields), a recommender
class, or a recommender that is constructed but not fitted."""


def resolve_suite(
    suite: str | Path | Suite, trust: bool = False, changes: Iterable[str] = ()
) -> Suite:
    """Return the suite itself, or load it by name or from a TOML file.

    Args:
        suite: The suite, its name or its file.
        trust: Whether code that the file names may run wherever the file is from.
        changes: Values of the file to change; see `benchkit.config.changes`.

    Raises:
        ConfigError: There is no such suite, it is wrong, or it is built and has no file to change.
    """
    if not isinstance(suite, str | Path | Suite):
        raise ConfigError(
            f"a {type(suite).__name__} is not a suite",
            "a name, the path of a TOML file, or a Suite",
        )
    changes = as_names(changes)
    if not isinstance(suite, Suite):
        return load_suite(str(suite), trust=trust, changes=changes)
    if changes:
        raise ConfigError("changes are for the values of a suite's file", "build the suite so")
    return suite


def method_rows(methods: Iterable[MethodLike] | MethodLike) -> tuple[str | MethodSpec, ...]:
    """Return what a plan takes: names stay names, everything else becomes a row.

    A name that the suite uses as a label means that row; another one is any method that benchkit
    can find.

    Raises:
        ConfigError: Something is not a method, or two share a name.
    """
    if isinstance(methods, str | dict | MethodSpec | type) or not isinstance(methods, Iterable):
        methods = (methods,)
    rows = tuple(row if isinstance(row, str) else make_method_spec(row) for row in methods)
    if not rows:
        raise ConfigError("methods is empty", "leave it out to run all methods of the suite")
    names = [row if isinstance(row, str) else row.name for row in rows]
    for name in names:
        if names.count(name) > 1:
            raise ConfigError(
                f"two methods are called {name!r}",
                'give each a label: methods=[{"method": ..., "label": "..."}]',
            )
    return rows


def as_names(value: str | Iterable[str]) -> tuple[str, ...]:
    """Return one name or several as a tuple."""
    names = (value,) if isinstance(value, str) else value
    listed = list(names) if isinstance(names, Iterable) else [names]
    if not all(isinstance(name, str) for name in listed):
        raise ConfigError(f"{value!r} is not a name", "give one name, or several in a list")
    check_unique("name", listed)
    return tuple(listed)


def as_seeds(seeds: int | Iterable[int]) -> tuple[int, ...]:
    """Return one seed or several as a tuple, each once; warn of those that stand twice.

    Raises:
        ConfigError: They are not integers.
    """
    try:
        values = [seeds] if not isinstance(seeds, Iterable) else list(seeds)
        if isinstance(seeds, str) or any(isinstance(value, bool) for value in values):
            raise TypeError
        numbers = [index(value) for value in values]
    except TypeError:
        raise ConfigError(
            f"seeds must be whole numbers, not {seeds!r}", "seeds=[0, 1, 2]"
        ) from None
    unique = tuple(dict.fromkeys(numbers))
    if len(unique) < len(numbers):
        warnings.warn(f"seeds {numbers}: each counts once", stacklevel=2)
    return unique


def check_names(kind: str, names: tuple[str, ...], known: tuple[str, ...]) -> tuple[str, ...]:
    """Return the names, or all that are known where none is given.

    Raises:
        ConfigError: A name is not known.
    """
    for name in names:
        if name not in known:
            raise unknown_name_error(kind, name, known)
    return names or known
