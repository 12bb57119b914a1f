"""Words and sentences of a text, and how a text writes them."""

import re
import unicodedata
from functools import lru_cache

from benchkit.lm.grounding import normalize_text
from benchkit.lm.parsing import unescape_entities

_WORD = re.compile(r"[^\W_]+(?:['’‘ʼ´`][^\W_]+)*|&")
_END = re.compile(r"(?<=[.!?…])[\"'”’)\]*_]*\s+(?=[\"'“‘*_]*[^\Wa-z_])|(?<=[。！？])|\n+")
# A full stop after these does not end a sentence.
_ABBREVIATED = re.compile(
    r"(?:^|[\s.\"'“‘(\[])(?:[^\W\d_]|nos?|dr|mrs?|ms|st|[js]r|vs|vol|pt|ep|feat|sgt|lt|col|capt"
    r"|gen|inc|ltd|co|blvd|ave|e\.g|i\.e)\.$",
    re.IGNORECASE,
)
_MARKS = frozenset("\"'“”‘’„«»*_`「」『』《》")
_ENDS = frozenset(".!?…:\n")


def normalize_characters(text: str) -> str:
    """Resolve entities and forms of a character (NFKC), and keep the case."""
    return unicodedata.normalize("NFKC", unescape_entities(text))


def split_words(text: str) -> list[str]:
    """Split a text into normalised words; apostrophes stay, and "&" becomes "and".

    >>> split_words("Brach’s Salt &amp; Vinegar, 12-count!")
    ["brach's", 'salt', 'and', 'vinegar', '12', 'count']
    """
    text = normalize_characters(text)
    return [part for match in _WORD.finditer(text) for part in _normalize_word(match[0])]


@lru_cache(maxsize=100_000)
def _normalize_word(word: str) -> tuple[str, ...]:
    """Return one word as `split_words` has it; several where normalising takes it apart."""
    return ("and",) if word == "&" else tuple(_WORD.findall(normalize_text(word)))


FUNCTION_WORDS = frozenset(
    split_words(
        "a about after all also an and any are as at be been before both but by can could did do"
        " does during each for from had has have he her here him his how i if in into is it its"
        " just may me might more most my no nor not of off on one only or other our out over own"
        " per she should so some such than that the their them then there these they this those"
        " through to too under until up us very was we were what when where which while who whom"
        " why will with would you your"
    )
)


def count_content_words(words: list[str]) -> int:
    """Count the words that are not function words ("the", "of", ...)."""
    return sum(word not in FUNCTION_WORDS for word in words)


class TextWords:
    """A text as normalised words, and how each is written."""

    def __init__(self, text: str) -> None:
        self._text = normalize_characters(text)
        self.words: list[str] = []
        self._spans: list[tuple[int, int]] = []
        for match in _WORD.finditer(self._text):
            for word in _normalize_word(match[0]):
                self.words.append(word)
                self._spans.append(match.span())

    def is_capitalized(self, first: int, last: int) -> bool:
        """Return whether no content word there begins with a small letter; without any, no word."""
        span = range(first, last)
        content = [i for i in span if self.words[i] not in FUNCTION_WORDS]
        return all(not self._text[self._spans[i][0]].islower() for i in content or span)

    def is_marked_off(self, first: int, last: int) -> bool:
        """Return whether the words are quoted, or between asterisks or underscores."""
        start, end = self._spans[first][0], self._spans[last - 1][1]
        after = self._text[end : end + 3].lstrip(".,!?;)")
        return start > 0 and self._text[start - 1] in _MARKS and after[:1] in _MARKS

    def starts_sentence(self, first: int) -> bool:
        """Return whether a sentence starts with the word."""
        before = self._text[: self._spans[first][0]].rstrip(" \t([" + "".join(_MARKS))
        return not before or before[-1] in _ENDS


def split_sentences(text: str) -> list[str]:
    """Split a text into its sentences; only those that hold a word.

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
    # By `split_words`: a lone apostrophe that is a letter (U+02BC) is no word.
    return [part.strip() for part in parts if split_words(part)]
