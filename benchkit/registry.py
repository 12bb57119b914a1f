"""Find a part of a benchmark by name: built in, from an entry point, a module or a file."""

import hashlib
import importlib
import importlib.util
import sys
from collections.abc import Iterator, Mapping
from functools import cached_property
from importlib import metadata
from pathlib import Path
from typing import Any, Generic, TypeVar

from benchkit.errors import ConfigError, unknown_name_error

T = TypeVar("T")


class Registry(Generic[T]):
    """All objects of one kind that have a name; imports an object when it is first used.

    A name is one of `builtin`, the name of an entry point of `group` in any installed package,
    or itself the place of an object: `package.module:Name` or `path/to/file.py:Name`.

    Example:
        >>> constants = Registry("constant", {"pi": "math:pi"}, "benchkit.constants")
        >>> constants.load("pi") == constants.load("math:pi")
        True
        >>> constants.load("pj")
        Traceback (most recent call last):
        benchkit.errors.ConfigError: unknown constant 'pj'
          hint: did you mean 'pi'?

    Args:
        kind: What messages call an object, e.g. "metric".
        builtin: Name -> `module:Name`.
        group: Entry point group, e.g. "benchkit.metrics".
        base: The type that every object must be an instance of; `type` for classes.
        parent: The class that every object must be derived from, where they are classes.
        members: Attributes that every object must have.
        hint: How to write such an object; shown for one that lacks something.
    """

    def __init__(
        self,
        kind: str,
        builtin: Mapping[str, str],
        group: str,
        *,
        base: type[Any] = object,
        parent: type[Any] | None = None,
        members: tuple[str, ...] = (),
        hint: str = "",
    ) -> None:
        self.kind = kind
        self.group = group
        self._builtin = builtin
        self._base = base
        self._parent = parent
        self._members = members
        self._hint = hint

    @cached_property
    def targets(self) -> dict[str, str]:
        """Name -> `module:Name`: the built-in ones first, then those of entry points."""
        entries = metadata.entry_points(group=self.group)
        return {**self._builtin, **{entry.name: entry.value for entry in entries}}

    def __iter__(self) -> Iterator[str]:
        return iter(self.targets)

    def __contains__(self, name: str) -> bool:
        return name in self.targets

    def load(self, name: str) -> T:
        """Return the object called `name`.

        Raises:
            ConfigError: No object has this name, it cannot be imported, or it is of another kind.
        """
        if name in self.targets:
            return self.load_target(self.targets[name], name)
        if ":" in name:
            return self.load_target(name, name)
        raise unknown_name_error(self.kind, name, self.targets)

    def load_target(self, target: str, name: str, *, hint: str = "check the name") -> T:
        """Return the object at `target`, which messages call `name`.

        Args:
            target: `package.module:Name` or `path/to/file.py:Name`.
            name: What the object is called.
            hint: What to do when a module is missing.
        """
        module, _, attribute = target.rpartition(":")
        if not attribute.isidentifier():
            raise ConfigError(
                f"{self.kind} {name!r}: no name stands behind the colon",
                "FILE.py:Name or package.module:Name",
            )
        try:
            source = _import_module(module)
        except ConfigError:
            raise
        except ModuleNotFoundError as error:
            raise ConfigError(
                f"{self.kind} {name!r}: {error}", _advise(module, error.name or "", hint)
            ) from error
        except Exception as error:
            raise ConfigError(
                f"{self.kind} {name!r}: {module} cannot be imported:"
                f" {type(error).__name__}: {error}",
                "correct the file",
            ) from error
        if not hasattr(source, attribute):
            raise ConfigError(
                f"{self.kind} {name!r}: {module} has no {attribute}", "check the name"
            )
        loaded = getattr(source, attribute)
        missing = [member for member in self._members if not hasattr(loaded, member)]
        is_kind = isinstance(loaded, self._base) and (
            self._parent is None or issubclass(loaded, self._parent)
        )
        if missing or not is_kind:
            cause = f"{self.kind} {name!r}: {target} is not a {self.kind}"
            if missing:
                cause += f": it has no {', '.join(missing)}"
            raise ConfigError(cause, self._hint)
        return loaded  # type: ignore[no-any-return]


def _advise(module: str, missing: str, hint: str) -> str:
    """Return what to do where importing `module` finds no module `missing`."""
    if f"{module}.".startswith(f"{missing}."):
        return hint
    if missing.partition(".")[0] != "benchkit":
        return f"install {missing}"
    # It is installed, in a version without this module: the file was written for another one.
    return f"this benchkit has no {missing}: correct the import in {module} (see CHANGELOG.md)"


def import_object(target: str) -> Any:
    """Return the object at `package.module:Name` or `path/to/file.py:Name`."""
    module, _, name = target.rpartition(":")
    return getattr(_import_module(module), name)


def _import_module(module: str) -> Any:
    if not module:
        raise ConfigError(
            "a name is missing before the colon", "FILE.py:Name or package.module:Name"
        )
    return _import_file(Path(module)) if module.endswith(".py") else importlib.import_module(module)


def _import_file(path: Path) -> Any:
    path = path.resolve()
    if not path.is_file():
        raise ConfigError(f"{path}: no such file", "write it as path/to/file.py:Name")
    name = f"benchkit_file_{path.stem}_{hashlib.sha256(str(path).encode()).hexdigest()[:8]}"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, path)
        if spec is None or spec.loader is None:
            raise ConfigError(f"{path}: cannot be imported", "is it a Python file?")
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module  # dataclasses and pydantic look their module up
        try:
            spec.loader.exec_module(module)
        except BaseException:
            del sys.modules[name]
            raise
    return sys.modules[name]
