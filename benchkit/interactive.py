"""Recommenders given as Python objects: classes of a notebook, and instances.

A class that a fresh interpreter can import goes by its dotted name. Everything else is kept here
for this process, under a name that holds a hash of its code and of the instance's attributes, so
that a changed cell is another run.
"""

import ast
import copy
import hashlib
import importlib
import inspect
import pickle
import sys
import sysconfig
import textwrap
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any

from benchkit.errors import ConfigError
from benchkit.fingerprint import canonical_settings, hash_file

PREFIX = "live"  # of the target of a card, where other cards have a module
_OBJECTS: dict[str, Any] = {}


def register_object(method: object) -> tuple[str, str]:
    """Return the name by which the registry finds a recommender class or instance, and a label.

    Raises:
        ConfigError: It is not a recommender, or an instance that cannot be copied.
    """
    cls = method if isinstance(method, type) else type(method)
    missing = [name for name in ("capabilities", "fit", "predict") if not hasattr(method, name)]
    if missing:
        raise ConfigError(
            f"{cls.__name__} is not a recommender: it has no {', '.join(missing)}",
            "give a name, a class with capabilities, fit and predict, or an instance of one",
        )
    if method is cls and _is_importable(cls):
        return f"{cls.__module__}:{cls.__qualname__}", cls.__name__
    name = f"{cls.__name__}-{_hash_object(method)}"
    _OBJECTS[name] = method
    return f"{PREFIX}:{name}", cls.__name__


def is_live(target: str) -> bool:
    """Return whether the target of a card names an object of this process."""
    return target.startswith(f"{PREFIX}:")


def is_instance(target: str) -> bool:
    """Return whether the target of a card names an instance rather than a class."""
    return is_live(target) and not isinstance(find_object(target), type)


def find_object(target: str) -> Any:
    """Return what `register_object` kept. Raises ConfigError in another process."""
    name = target.partition(":")[2]
    if name not in _OBJECTS:
        raise ConfigError(
            f"recommender {name!r} lives in the Python process that registered it",
            "use jobs=1, or define the class in a file: FILE.py:Class",
        )
    return _OBJECTS[name]


def construct_object(target: str, *config: Any) -> Any:
    """Return a fresh recommender: the class called, or a copy of the instance."""
    method = find_object(target)
    return method(*config) if isinstance(method, type) else copy.deepcopy(method)


def _is_importable(cls: type) -> bool:
    """Return whether another process finds the class under its dotted name."""
    if cls.__module__ == "__main__" or "." in cls.__qualname__:
        return False
    try:
        return getattr(importlib.import_module(cls.__module__), cls.__qualname__, None) is cls
    except ImportError:
        return False


def _hash_object(method: object) -> str:
    digest = hashlib.sha256()
    cls = method if isinstance(method, type) else type(method)
    for part in _code_parts(cls, set()):
        digest.update(part.encode())
    if method is not cls:
        try:
            digest.update(pickle.dumps(_attributes(method), protocol=4))
        except Exception as error:
            raise ConfigError(
                f"a {cls.__name__} cannot be copied: {error}",
                "give the class, with its settings in a pydantic model named Config",
            ) from error
    return digest.hexdigest()[:12]


def _attributes(method: object) -> dict[str, Any]:
    """Return the attributes of an instance, with contents for files and plain data for models."""
    values = {}
    for name, value in vars(method).items():
        if hasattr(value, "model_dump"):
            value = canonical_settings(value)
        values[name] = hash_file(value) if isinstance(value, Path) else _in_order(value)
    return values


def base_files(cls: type) -> list[Path]:
    """Return the files of the classes and modules that an object of this process builds on.

    Libraries do not count: packages that methods name have versions. Benchkit's own files do, also
    where it is installed.
    """
    files = set()
    things: list[Any] = list(cls.__mro__)
    for member in vars(cls).values():
        function = getattr(member, "__func__", getattr(member, "fget", member))
        if isinstance(function, FunctionType):
            names = _names(function.__code__)
            things += [function.__globals__[n] for n in sorted(names) if n in function.__globals__]
    for thing in things:
        module = (
            thing
            if isinstance(thing, ModuleType)
            else sys.modules.get(getattr(thing, "__module__", None) or "")
        )
        file = getattr(module, "__file__", None)
        if file and module is not None and _is_first_party(module.__name__, file):
            files.add(Path(file))
    return sorted(files)


def _is_first_party(module: str, file: str) -> bool:
    if module == "__main__":
        return False  # its parts are hashed one by one: the rest of a script does not matter
    if module.partition(".")[0] in ("benchkit", "baselines", "judges"):
        return True
    libraries = {
        sysconfig.get_path(kind) for kind in ("stdlib", "platstdlib", "purelib", "platlib")
    }
    return file.endswith(".py") and not any(file.startswith(str(path)) for path in libraries)


def _code_parts(thing: Any, seen: set[int]) -> list[str]:
    """Describe a class or function and what it uses of its own module, in a stable order."""
    if id(thing) in seen:
        return []
    seen.add(id(thing))
    if isinstance(thing, type):
        parts = [_source(thing)]
        for base in thing.__mro__[1:]:
            if base.__module__ == thing.__module__:
                parts += _code_parts(base, seen)
        for member in vars(thing).values():
            function = getattr(member, "__func__", getattr(member, "fget", member))
            if isinstance(function, FunctionType):
                parts += _used_parts(function, seen)
        return parts
    return [_source(thing), *_used_parts(thing, seen)]


def _used_parts(function: FunctionType, seen: set[int]) -> list[str]:
    """Describe the functions, classes and constants of its own module that a function names."""
    parts = []
    for name in sorted(_names(function.__code__)):
        value = function.__globals__.get(name)
        if isinstance(value, type | FunctionType):
            if value.__module__ == function.__module__:
                parts += _code_parts(value, seen)
        elif isinstance(value, int | float | str | bytes | tuple | frozenset):
            parts.append(f"{name}={_in_order(value)!r}")
    return parts


def _in_order(value: Any) -> Any:
    """Return a set as a sorted list: the order of a set differs from process to process."""
    return sorted(value, key=repr) if isinstance(value, set | frozenset) else value


def _names(code: CodeType) -> set[str]:
    names = set(code.co_names)
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            names |= _names(constant)
    return names


def _source(thing: Any) -> str:
    """Return the syntax tree of the source; where there is none (a bare prompt), the byte code."""
    try:
        return ast.dump(ast.parse(textwrap.dedent(inspect.getsource(thing))))
    except (OSError, TypeError, SyntaxError):
        return _bytecode(thing)


def _bytecode(thing: Any) -> str:
    functions = [thing] if isinstance(thing, FunctionType) else list(vars(thing).values())
    parts = [f"python{sys.version_info[:2]}"]
    for function in functions:
        function = getattr(function, "__func__", getattr(function, "fget", function))
        if isinstance(function, FunctionType):
            code = function.__code__
            constants = [_in_order(c) for c in code.co_consts if not isinstance(c, CodeType)]
            parts.append(f"{code.co_name}:{code.co_code.hex()}:{constants!r}:{code.co_names!r}")
    return "\n".join(parts)
