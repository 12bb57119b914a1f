"""Lines that cannot be read: how they are kept, and how many are too many."""

from collections.abc import Sequence
from typing import NamedTuple

import polars as pl

from benchkit.errors import DataError

MAX_MALFORMED_SHARE = 0.001  # share of the lines
MAX_MALFORMED_TEXT = 2_000  # characters that are kept of a line
_TOLERATED_LINES = 10  # so few say nothing about a file
_BURST = 1_000  # how far malformed lines may run ahead of their share before reading stops
_SCHEMA = {"file": pl.String, "line": pl.Int64, "reason": pl.String, "text": pl.String}


class MalformedLine(NamedTuple):
    """A line that gives no row."""

    line: int
    """Its number, from 1."""
    reason: str
    text: str
    """Its printable text, cut after MAX_MALFORMED_TEXT characters."""


def make_malformed_table(file: str, lines: Sequence[MalformedLine]) -> pl.DataFrame:
    """Return a table `file`, `line`, `reason`, `text`."""
    return pl.DataFrame([(file, *line) for line in lines], schema=_SCHEMA, orient="row")


def exceeds_malformed_limit(
    n_malformed: int, n_lines: int, share: float = MAX_MALFORMED_SHARE
) -> bool:
    """Tell whether reading can stop after `n_lines`: `check_malformed` is going to refuse."""
    return n_malformed > _BURST + share * n_lines


def check_malformed(
    file: str,
    malformed: Sequence[MalformedLine],
    n_lines: int,
    share: float = MAX_MALFORMED_SHARE,
    hint: str = "use the file as it is published, or correct these lines",
) -> None:
    """Raise DataError when more lines are malformed than slips explain.

    Args:
        file: What messages call the file.
        malformed: The malformed lines.
        n_lines: Lines that were read.
        share: Share of the lines, 0 to 1, that may be malformed. Ten are always tolerated, unless
            it is 0.
        hint: What to do about them.
    """
    if len(malformed) <= (share and max(_TOLERATED_LINES, share * n_lines)):
        return
    first = "; ".join(f"line {line}: {reason}" for line, reason, _ in malformed[:3])
    raise DataError(
        f"{file}: {len(malformed)} of its first {n_lines} lines are malformed, more than"
        f" {share:.2%} ({first}{'; ...' if len(malformed) > 3 else ''})",
        hint,
    )


def decode_line(line: bytes) -> str:
    """Return a line that is UTF-8 or Latin-1 as text."""
    # Latin-1 with accents is hardly ever valid UTF-8, so trying tells the two apart.
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError:
        return line.decode("latin-1")
