"""Cells of CSV files: a text that a spreadsheet would compute is marked as a text.

A label or a note that begins with `=` is a formula to a spreadsheet, which may then start programs
or send what other cells hold. An apostrophe before it makes it a text. Readers of ours take it off,
so that what is read is what was written.

Reference: OWASP, "CSV Injection".
"""

import csv
import io
import re
from collections.abc import Iterable, Sequence
from typing import TextIO

# Spreadsheets of some languages take the full-width forms as well; a line break, tab or return
# before a formula is skipped by some.
_FORMULA = "'*[=+\\-@\t\r\n\uff1d\uff0b\uff0d\uff20]"
MARKED_TEXT = f"^'({_FORMULA})"
"""Matches the begin of a marked cell; the group is that of the text without the mark."""
_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?|[-+](inf|nan)", re.ASCII)
_PLACEHOLDER = "-"  # for what is not there
_SEPARATOR_LINE = re.compile('"?sep=(.)"?\r?\n?', re.IGNORECASE)


def escape_cell(text: str) -> str:
    """Return what a CSV file has for a text: it begins with an apostrophe if it were a formula.

    >>> escape_cell("=1+1"), escape_cell("-0.5"), escape_cell("EASE"), escape_cell("'=x")
    ("'=1+1", '-0.5', 'EASE', "''=x")
    """
    if text == _PLACEHOLDER or not re.match(_FORMULA, text) or _NUMBER.fullmatch(text):
        return text
    return f"'{text}"


def write_rows(rows: Iterable[Sequence[object]]) -> str:
    """Return rows of a CSV file; their texts are marked where they must be."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    # Where a line ends with a line feed, the module does not quote a carriage return, which ends a
    # line for readers.
    quoting_writer = csv.writer(out, lineterminator="\n", quoting=csv.QUOTE_ALL)
    for row in rows:
        cells = [escape_cell(cell) if isinstance(cell, str) else cell for cell in row]
        has_return = any(isinstance(cell, str) and "\r" in cell for cell in cells)
        (quoting_writer if has_return else writer).writerow(cells)
    return out.getvalue()


def unescape_cell(text: str) -> str:
    """Return the text that `escape_cell` was given.

    >>> unescape_cell("'=1+1"), unescape_cell("-0.5"), unescape_cell("'tis")
    ('=1+1', '-0.5', "'tis")
    """
    return text[1:] if re.match(MARKED_TEXT, text) else text


def declared_separator(first_line: str) -> str:
    """Return the separator that the first line of a file of Excel may declare; '' if it does not.

    >>> declared_separator("sep=;"), declared_separator("user;item")
    (';', '')
    """
    match = _SEPARATOR_LINE.fullmatch(first_line)
    return match[1] if match else ""


def skip_separator_line(file: TextIO, default: str) -> tuple[str, int]:
    """Move a file behind a first line that declares the separator.

    Returns:
        The separator, `default` if there is no such line, and how many lines were skipped.
    """
    separator = declared_separator(file.readline())
    if not separator:
        file.seek(0)
    return separator or default, int(bool(separator))
