"""Options that hold several values."""

import typer


def split_names(text: str) -> tuple[str, ...]:
    """Split a comma-separated text into names.

    >>> split_names("a, b,,c")
    ('a', 'b', 'c')
    """
    return tuple(name for part in text.split(",") if (name := part.strip()))


def parse_integers(text: str, option: str) -> tuple[int, ...]:
    """Read comma-separated integers. Raises BadParameter naming the option.

    >>> parse_integers("0, 1", "--seed")
    (0, 1)
    """
    try:
        return tuple(int(name) for name in split_names(text))
    except ValueError:
        raise typer.BadParameter(
            f"must be a comma-separated list of integers, not {text!r}", param_hint=option
        ) from None
