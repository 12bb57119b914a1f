"""Text files with one record a line: read by a pattern, what does not match is kept aside."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import IO

import numpy as np
import polars as pl
from numpy.typing import NDArray

from benchkit.data.readers.malformed_lines import (
    MAX_MALFORMED_SHARE,
    MAX_MALFORMED_TEXT,
    MalformedLine,
    check_malformed,
    decode_line,
    exceeds_malformed_limit,
    make_malformed_table,
)
from benchkit.errors import DataError

_BLOCK = 1 << 24


@dataclass(frozen=True)
class RegexLines:
    """The content of a file."""

    rows: pl.DataFrame
    """One column (strings) a named group of the pattern, in the order of the file."""
    malformed: pl.DataFrame
    """The other lines: `file`, `line` (from 1), `reason`, `text`."""
    skipped: NDArray[np.int64]
    """Numbers of the lines that gave no row, ascending: malformed, empty, the header."""


def summarize_files(files: Mapping[str, RegexLines]) -> tuple[dict[str, int], pl.DataFrame]:
    """Return the funnel of several files by name, and the lines of them that could not be read."""
    funnel: dict[str, int] = {}
    for name, lines in files.items():
        stem, bad = name.partition(".")[0], len(lines.malformed)
        funnel |= {f"{stem}_lines": len(lines.rows) + bad, f"{stem}_malformed": bad}
    return funnel, pl.concat([lines.malformed for lines in files.values()])


def read_regex_lines(
    file: IO[bytes], name: str, pattern: str, shape: str, header: str = ""
) -> RegexLines:
    """Read `file` line by line.

    pattern: a regular expression for the whole line, with a named group for each column; the
    first group must take part in every match.
    shape: the form in words, for messages. header: the first line, if the file has one.
    The text may be UTF-8 or Latin-1. Raises DataError when the header is another one, or when
    no line matches.
    """
    tables = []
    skipped = [np.arange(1, 2 if header else 1)]
    line, bad = 1, 0
    with file:
        if header:
            line = 2
            first = decode_line(file.readline()).strip("\ufeff\r\n")
            if first != header:
                raise DataError(
                    f"{name}, line 1: {first[:80]!r} is not the header {header!r}",
                    "use the file as it is published",
                )
        for texts in _blocks(file):
            tables.append(_match_lines(texts, line, pattern))
            gave = tables[-1].filter(pl.nth(2).is_not_null())["line"].to_numpy()
            skipped.append(line + np.delete(np.arange(len(texts)), gave - line))
            line += len(texts)
            bad += tables[-1]["text"].count()
            if exceeds_malformed_limit(bad, line):
                break
    table = (
        pl.concat(tables) if tables else _match_lines(pl.Series([], dtype=pl.String), 1, pattern)
    )
    rows = table.filter(pl.nth(2).is_not_null()).drop("line", "text")
    texts_of_lines = table.filter(pl.nth(2).is_null()).select("line", "text").rows()
    malformed = [
        MalformedLine(number, f"not {shape}", text[:MAX_MALFORMED_TEXT])
        for number, text in texts_of_lines
    ]
    share = MAX_MALFORMED_SHARE if len(rows) else 0.0  # then one is too many
    check_malformed(name, malformed, len(rows) + len(malformed), share)
    return RegexLines(rows, make_malformed_table(name, malformed), np.concatenate(skipped))


def _match_lines(texts: pl.Series, line: int, pattern: str) -> pl.DataFrame:
    """Return `line`, `text` of what does not match, and the groups; without empty lines."""
    text = pl.col("text")
    table = pl.DataFrame({"text": texts}).with_row_index("line", line).filter(text != "")
    table = table.with_columns(
        pl.col("line").cast(pl.Int64), text.str.extract_groups(f"^(?:{pattern})$").alias("groups")
    )
    return table.unnest("groups").with_columns(
        pl.when(pl.nth(2).is_null()).then(text).alias("text")
    )


def _blocks(file: IO[bytes]) -> Iterator[pl.Series]:
    """Yield the lines of `file`, some megabytes at a time, so that it is never held as a whole."""
    while block := file.read(_BLOCK):
        block += file.readline()
        try:
            lines = block.decode("utf-8").removesuffix("\n").split("\n")
        except UnicodeDecodeError:
            lines = [decode_line(line) for line in block.removesuffix(b"\n").split(b"\n")]
        yield pl.Series("text", lines, dtype=pl.String).str.strip_chars_end("\r")
