"""Digests of values: equal for equal values, in every process and on every machine."""

import dataclasses
import hashlib
import json
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from functools import partial
from types import FunctionType
from typing import Any

import numpy as np
from pydantic import BaseModel


def digest(value: Any) -> str:
    """Return the SHA-256 of a value made of numbers, texts, containers, arrays and dataclasses.

    The order of a mapping counts, as columns and colours follow it; that of a set does not. A
    function, or `functools.partial` of one, stands for its name and arguments: what it does is a
    matter of the sources (`environment`).

    Raises:
        TypeError: The value holds something else, such as a path, which says where and not what, or
            a function that is not found by its name.

    >>> digest([1, "a"]) == digest((1, "a")), digest({1, 2}) == digest({2, 1})
    (True, True)
    >>> digest(1) == digest(1.0), digest(["ab", "c"]) == digest(["a", "bc"])
    (False, False)
    """
    hasher = hashlib.sha256()
    for part in _parts(value):
        hasher.update(len(part).to_bytes(8, "big"))
        hasher.update(part)
    return hasher.hexdigest()


def _parts(value: Any) -> list[bytes]:
    """Return a value as parts; each container begins with its kind and its number of entries."""
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, bool | int | float | str):
        return [type(value).__name__.encode(), _scalar(value)]
    if isinstance(value, bytes):
        return [b"bytes", value]
    if isinstance(value, np.ndarray):
        if value.dtype.hasobject:
            raise TypeError("an array of objects has no digest")
        head = json.dumps([value.dtype.str, value.shape]).encode()
        return [b"array", head, np.ascontiguousarray(value).tobytes()]
    if isinstance(value, partial):
        entries = [value.func, list(value.args), value.keywords]
        return _container("partial", entries)
    if isinstance(value, FunctionType):
        if "<" in value.__qualname__:
            raise TypeError(f"{value.__qualname__} is not found by its name")
        return [b"function", f"{value.__module__}.{value.__qualname__}".encode()]
    if isinstance(value, BaseModel):
        return _container(_class_name(value), [{n: getattr(value, n) for n in _fields(value)}])
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
        return _container(_class_name(value), [fields])
    if isinstance(value, Mapping):
        return _container("mapping", [entry for pair in value.items() for entry in pair])
    if isinstance(value, AbstractSet):
        return _container("set", sorted(map(digest, value)))
    if isinstance(value, Sequence):
        return _container("sequence", value)
    raise TypeError(f"{type(value).__name__} has no digest")


def _scalar(value: float | str | None) -> bytes:
    """Return a number or text; lone surrogates, which names of files can have, are kept."""
    return (
        str(value).encode("utf-8", "surrogatepass")
        if isinstance(value, str)
        else (repr(value).encode())
    )


def _container(kind: str, entries: Sequence[Any]) -> list[bytes]:
    parts = [kind.encode(), str(len(entries)).encode()]
    for entry in entries:
        parts += _parts(entry)
    return parts


def _class_name(value: object) -> str:
    return f"{type(value).__module__}.{type(value).__qualname__}"


def _fields(value: BaseModel) -> list[str]:
    return list(type(value).model_fields)
