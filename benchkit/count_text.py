"""Counts in sentences."""


def count_text(count: int, noun: str, plural: str = "") -> str:
    """Return '1 run' or '1,200 runs'.

    Args:
        count: How many there are.
        noun: What one is called.
        plural: What several are called, by default `noun` with an s.

    >>> count_text(1, "entry", "entries"), count_text(1200, "case")
    ('1 entry', '1,200 cases')
    """
    return f"{count:,} {noun if count == 1 else plural or noun + 's'}"
