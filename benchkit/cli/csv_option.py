"""Options that hold several values."""

from typing import TypeVar

import typer

from benchkit.console import echo

T = TypeVar("T")


def split_names(text: str) -> tuple[str, ...]:
    """Split a comma-separated text into names, each once; say so where one stands twice.

    >>> split_names("a, b,,c")
    ('a', 'b', 'c')
    """
    names = [name for part in text.split(",") if (name := part.strip())]
    if text and not names:
        raise typer.BadParameter(f"{text[:100]!r} names nothing")
    return _merge(names)


def parse_integers(text: str, option: str) -> tuple[int, ...]:
    """Read comma-separated integers, each once. Raises BadParameter naming the option.

    >>> parse_integers("0, 1", "--seed")
    (0, 1)
    """
    try:
        numbers = [int(part) for part in text.split(",") if part.strip()]
        if text and not numbers:
            raise ValueError
    except ValueError:
        raise typer.BadParameter(
            f"must be a comma-separated list of integers, not {text[:100]!r}", param_hint=option
        ) from None
    return _merge(numbers)


def _merge(values: list[T]) -> tuple[T, ...]:
    """Return values, each once; say on standard error which stand twice: none counts twice."""
    unique = tuple(dict.fromkeys(values))
    for value in unique:
        if values.count(value) > 1:
            echo(f"note: {value} is named twice, and counts once", fg="yellow", err=True)
    return unique
