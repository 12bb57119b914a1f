"""Words and sentences of a text, for features and probes."""

import re
import unicodedata
from functools import lru_cache

from benchkit.lm.grounding import normalize_text
from benchkit.lm.parsing import unescape_entities

_WORD = re.compile(r"[^\W_]+(?:['’‘ʼ´`][^\W_]+)*|&")
_END = re.compile(r"(?<=[.!?…])[\"'”’)\]*_]*\s+(?=[\"'“‘*_]*[^\Wa-z_])|(?<=[。！？])|\n+")
# What a full stop after does not end a sentence.
_ABBREVIATED = re.compile(
    r"(?:^|[\s.\"'“‘(\[])(?:[^\W\d_]|nos?|dr|mrs?|ms|st|[js]r|vs|vol|pt|ep|feat|sgt|lt|col|capt"
    r"|gen|inc|ltd|co|blvd|ave|e\.g|i\.e)\.$",
    re.IGNORECASE,
)


def normalize_characters(text: str) -> str:
    """The text with entities and forms of a character (NFKC) made alike, its case kept."""
    return unicodedata.normalize("NFKC", unescape_entities(text))


def split_words(text: str) -> list[str]:
    """Normalised words, apostrophes kept and "&" read as "and".

    >>> split_words("Brach’s Salt &amp; Vinegar, 12-count!")
    ["brach's", 'salt', 'and', 'vinegar', '12', 'count']
    """
    text = normalize_characters(text)
    return [part for start, end in word_spans(text) for part in normalize_word(text[start:end])]


def word_spans(text: str) -> list[tuple[int, int]]:
    """Where the words stand in a text that `normalize_characters` has made."""
    return [match.span() for match in _WORD.finditer(text)]


@lru_cache(maxsize=100_000)
def normalize_word(word: str) -> tuple[str, ...]:
    """One word as `split_words` has it; several where normalising takes it apart."""
    return ("and",) if word == "&" else tuple(_WORD.findall(normalize_text(word)))


def split_sentences(text: str) -> list[str]:
    """The sentences of a text; only those that hold a word.

    A sentence ends at a line's end, or at a full stop, exclamation or question mark that neither a
    small letter nor a bracket follows ("Better Off Dead... (1985)"), unless the word before is an
    abbreviation.

    >>> split_sentences('You like "Story No. 3". It is odd! And new')
    ['You like "Story No. 3".', 'It is odd!', 'And new']
    """
    parts, start = [], 0
    for match in _END.finditer(text):
        if "\n" not in match[0] and _ABBREVIATED.search(text[start : match.start()]):
            continue
        parts.append(text[start : match.end()])
        start = match.end()
    parts.append(text[start:])
    return [part.strip() for part in parts if _WORD.search(part)]
