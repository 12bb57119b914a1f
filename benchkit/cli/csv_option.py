"""Options that hold several names."""


def split_names(text: str) -> tuple[str, ...]:
    """The names in a comma-separated text.

    >>> names("a, b,,c")
    ('a', 'b', 'c')
    """
    return tuple(name for part in text.split(",") if (name := part.strip()))
