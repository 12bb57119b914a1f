"""Errors that a user can fix: each names the cause and, as `hint`, what to do about it."""

import difflib
from collections.abc import Iterable


class BenchkitError(Exception):
    """Base of all errors shown to a user without a traceback.

    `exit_code` is what the command line returns for it (`benchkit --help` lists them).
    """

    exit_code = 2

    def __init__(self, cause: str, hint: str = "") -> None:
        super().__init__(cause, hint)
        self.cause = cause
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.cause}\n  hint: {self.hint}" if self.hint else self.cause

    @property
    def line(self) -> str:
        """The whole cause and the hint, in a line of a list of problems."""
        cause = "; ".join(part.strip() for part in self.cause.splitlines())
        return f"{cause} (hint: {' '.join(self.hint.split())})" if self.hint else cause


class ConfigError(BenchkitError):
    """A suite, a method name or a hyper-parameter is wrong."""


class DataError(BenchkitError):
    """Data cannot be read, or lack what a dataset needs."""

    exit_code = 3


class StoreError(BenchkitError):
    """The run store cannot be read or written."""

    exit_code = 4


class DamageError(StoreError):
    """A file of the store is not what was written. The cause says `<file>: damaged: <what>`."""

    exit_code = 1

    @property
    def row_status(self) -> str:
        """What a table says instead of figures: `damaged: run it again (<file> is missing)`."""
        what = in_one_line(self.cause).partition(": damaged: ")[2] or self.cause
        return f"damaged: {self.hint} ({what})"


class MethodError(BenchkitError):
    """A recommender raised, or returned something that is not a prediction."""

    exit_code = 1


class EngineError(MethodError):
    """A language model cannot be asked: no model, no server, no budget."""


def in_one_line(text: str) -> str:
    """Return the first line of an error and its hint, for a cell of a table.

    >>> in_one_line(str(ConfigError("no model 'm'", "check base_url")))
    "no model 'm' (hint: check base_url)"
    """
    cause, _, hint = text.partition("\n  hint: ")
    first = cause.partition("\n")[0]
    return f"{first} (hint: {' '.join(hint.split())})" if hint else first


def check_unique(kind: str, values: Iterable[object]) -> None:
    """Raise ConfigError if something stands twice: it would be counted twice.

    >>> check_unique("seed", [0, 1, 0])
    Traceback (most recent call last):
    benchkit.errors.ConfigError: seed 0 stands twice
      hint: name it once: it would be counted twice
    """
    seen = set[object]()
    for value in values:
        if value in seen:
            raise ConfigError(
                f"{kind} {value!r} stands twice", "name it once: it would be counted twice"
            )
        seen.add(value)


def unknown_name_error(kind: str, name: str, known: Iterable[str]) -> ConfigError:
    """Return a ConfigError for `name` that suggests the names nearest to it."""
    return ConfigError(f"unknown {kind} {name!r}", suggest_names(name, known))


def near_names(name: str, known: Iterable[str]) -> list[str]:
    """Return the names that `name` may have been meant as, nearest first: up to three."""
    names = sorted(set(known))
    # `lr` is nearer to `learning_rate` than to `lora`, although it shares fewer letters.
    initials = [other for other in names if len(name) > 1 and name.lower() == _initials(other)]
    return initials or difflib.get_close_matches(name, names, n=3, cutoff=0.5)


def _initials(name: str) -> str:
    return "".join(part[:1] for part in name.lower().replace("-", "_").split("_"))


def suggest_names(name: str, known: Iterable[str]) -> str:
    """Return "did you mean 'x'?" with the names nearest to `name`, or a list of all names.

    >>> suggest_names("lr", ["lora", "learning_rate", "min_lr"])
    "did you mean 'learning_rate'?"
    """
    names = sorted(set(known))
    near = near_names(name, names)
    return f"did you mean {' or '.join(map(repr, near))}?" if near else f"known: {', '.join(names)}"
