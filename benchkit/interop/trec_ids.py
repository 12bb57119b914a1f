"""Ids in TREC's files, whose fields are separated by white space."""

from urllib.parse import quote, unquote

_PLAIN = "!\"#$&'()*+,/:;<=>?@[\\]^`{|}~"  # beside letters, digits and _.-~


def escape_id(name: str) -> str:
    """Return an id as one word of visible ASCII: all else is percent-encoded UTF-8, % included.

    >>> escape_id("a b#2"), escape_id("50%"), escape_id("ü")
    ('a%20b#2', '50%25', '%C3%BC')
    """
    return quote(name, safe=_PLAIN)


def unescape_id(word: str) -> str:
    """Return the id that `escape_id` wrote. Raises ValueError for bytes that are no UTF-8.

    >>> unescape_id("a%20b#2")
    'a b#2'
    """
    return unquote(word, errors="strict")
