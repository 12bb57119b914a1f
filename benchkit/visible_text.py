"""Text of others on a terminal: labels, errors, titles and what servers say.

A terminal obeys what is written to it: an escape sequence of a label may clear the screen, change
the title of the window or paint over a line, and an override of the writing direction shows another
text than is there. Such characters are printed as their code.
"""

import re

# C0 without tab and line feed, DEL, C1; line and paragraph separators, which many programs take
# for the end of a line; embeddings, overrides and isolates of the writing direction; tag characters
# and lone surrogates, which nothing can show. Marks that right-to-left titles need (U+200E, U+200F)
# stay.
_INVISIBLE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufff9-\ufffb"
    "\ud800-\udfff\U000e0000-\U000e007f]"
)
_TERMINAL_LINE = re.compile("[\t\n]")


def make_visible(text: str) -> str:
    r"""Return a text whose control characters are written as their code.

    Tabs and line feeds stay.

    >>> print(make_visible("a\x1b[2Jb"))
    a\x1b[2Jb
    """
    return _INVISIBLE.sub(_write_code, text)


def make_visible_line(text: str) -> str:
    r"""Return `make_visible` of a text that must stay in one line.

    >>> print(make_visible_line("two\nlines"))
    two\nlines
    """
    return _TERMINAL_LINE.sub(lambda match: repr(match[0])[1:-1], make_visible(text))


def _write_code(match: re.Match[str]) -> str:
    code = ord(match[0])
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
