"""Which items of a catalogue a text names: titles as whole words, in one pass over the text.

An item's names are its title; the title without what stands in brackets at its end
("Fargo (1996)"); that with its article in front ("Big Sleep, The"); and the shortened title. The
first four words of a longer title name it, too, as writers of rationales cut titles; of the items
that a rationale is about, the first two.

Not every occurrence of a name names an item: "dark chocolate" and "heat" are titles of something.
A name counts
- where it is marked off: quoted, or between asterisks or underscores; or
- where it has four or more content words (not "the", "of", ...); or
- where all its content words are written with a capital, or in letters that have none. One single
  word must then also have four letters or more, one of them a letter, stand within a sentence, and
  be in no other title and no category of the catalogue. Function words are no such word.
"""

from collections import Counter, deque
from collections.abc import Collection, Iterable, Iterator, Set
from itertools import groupby
from typing import NamedTuple

from benchkit.judging.text_segmentation import (
    FUNCTION_WORDS,
    TextWords,
    count_content_words,
    split_words,
)
from benchkit.lm.teachers.facts import shorten_title
from benchkit.types import Catalog

_OPENING = 4  # words: fewer are a brand, or the beginning of many titles
_CONTENT = 4  # content words that are no ordinary phrase
_LETTERS = 4
_ARTICLES = ("the", "a", "an", "il", "la", "le", "les", "das", "der", "die", "el")
_CATEGORIES = (
    "genres", "categories", "category", "main_category", "style", "brand", "store", "tags",
)  # fmt: skip


class Mention(NamedTuple):
    """A place in a text that names an item, or several items of one name."""

    name: str
    """The name as normalised words."""
    codes: tuple[int, ...]
    """Codes of the items."""
    first: int
    """Index of its first word in the text."""
    last: int
    """Index of the word after its last."""


class NamedItems(NamedTuple):
    """What a text names."""

    history: frozenset[int]
    """Codes of the history's items."""
    item: bool
    """Whether it names the recommended item."""
    candidates: frozenset[str]
    """Names of other candidates."""
    outside: frozenset[str]
    """Names of items that are none of these."""


class TitleIndex:
    """The names of a catalogue's items, built once; finding takes time by the text alone."""

    def __init__(self, catalog: Catalog) -> None:
        self.catalog = catalog
        texts = catalog.texts.get("title") or (None,) * len(catalog.ids)
        self.titles: list[str] = []
        names: dict[str, list[int]] = {}
        self._openings: dict[str, list[int]] = {}
        for code, (text, item) in enumerate(zip(texts, catalog.ids, strict=True)):
            title = text or item
            words = split_words(title)
            self.titles.append(" ".join(words))
            variants = (" ".join(split_words(variant)) for variant in _shorter_forms(title))
            for name in {self.titles[-1], *variants}:
                if name:
                    names.setdefault(name, []).append(code)
            opening = words[:_OPENING]
            if len(words) > _OPENING and count_content_words(opening) >= _OPENING - 1:
                self._openings.setdefault(" ".join(opening), []).append(code)
        self._names = {name: tuple(codes) for name, codes in names.items()}
        lengths: dict[str, set[int]] = {}
        for name in names:
            words = name.split(" ")
            lengths.setdefault(" ".join(words[:2]), set()).add(len(words))
        self._lengths = {start: sorted(counts) for start, counts in lengths.items()}
        self._ordinary = self._ordinary_words()

    def find_mentions(self, text: str, about: Iterable[int] = ()) -> list[Mention]:
        """Return the mentions in the order of the text.

        Longer names are taken out first, so that "Toy Story" is not in "Toy Story 2"; of equally
        long ones that overlap all count. `about` are codes of items for which the first two words
        are enough.
        """
        text_words = TextWords(text)
        mentions = (*self._find_names(text_words), *self._find_beginnings(text_words, about))
        selected: list[Mention] = []
        covered: set[int] = set()
        by_length = sorted(mentions, key=lambda mention: mention.first - mention.last)
        for _, same in groupby(by_length, key=lambda mention: mention.last - mention.first):
            free = [m for m in same if covered.isdisjoint(range(m.first, m.last))]
            covered.update(i for m in free for i in range(m.first, m.last))
            selected += free
        return sorted(selected, key=lambda mention: mention.first)

    def classify_mentions(
        self,
        mentions: Iterable[Mention],
        item: int | None,
        history: Collection[int],
        candidates: Set[int],
        texts: Iterable[str],
    ) -> NamedItems:
        """Return whose names the mentions of a rationale are.

        A name of several items is the history's or the item's if it can be, else a candidate's.

        Args:
            mentions: Mentions in the rationale.
            item: The recommended item; None where nothing was recommended.
            history: Items of the history.
            candidates: All candidates.
            texts: What else the model was shown of history and item (categories, reviews). A name
                in there is neither candidate nor outside, nor is one whose words are all in one
                title of history or item, as it may be a careless form of that title.
        """
        past: set[int] = set()
        about = [*history, *([] if item is None else [item])]
        others: dict[bool, set[str]] = {True: set(), False: set()}
        names_item = False
        known: str | None = None
        for mention in mentions:
            codes = set(mention.codes)
            names_item |= item in codes
            if in_history := codes.intersection(history):
                past.add(min(in_history))
            elif item not in codes:
                if any(_is_within(mention.name, self.titles[code]) for code in about):
                    continue
                if known is None:
                    known = " | ".join(["", *(" ".join(split_words(part)) for part in texts), ""])
                if f" {mention.name} " not in known:
                    others[bool(codes & candidates)].add(mention.name)
        return NamedItems(
            frozenset(past), names_item, frozenset(others[True]), frozenset(others[False])
        )

    def _find_names(self, text_words: TextWords) -> Iterator[Mention]:
        words = text_words.words
        for first, word in enumerate(words):
            pair = " ".join(words[first : first + 2])
            lengths = (*self._lengths.get(word, ()), *self._lengths.get(pair, ()))
            for length in dict.fromkeys(lengths):
                last = first + length
                codes = self._names.get(" ".join(words[first:last]))
                if codes and last <= len(words) and self._counts(text_words, first, last):
                    yield Mention(" ".join(words[first:last]), codes, first, last)
            start = " ".join(words[first : first + _OPENING])
            if start in self._openings:
                yield from self._extend_opening(text_words, first, self._openings[start])

    def _extend_opening(
        self, text_words: TextWords, first: int, codes: list[int]
    ) -> Iterator[Mention]:
        """Yield the items whose titles agree with the text for longest."""
        agreement = {
            code: _count_agreeing(text_words.words, first, self.titles[code]) for code in codes
        }
        length = max(agreement.values())
        last = first + length
        words = text_words.words[first:last]
        if text_words.is_capitalized(first, last) or count_content_words(words) >= _CONTENT:
            owners = tuple(code for code in codes if agreement[code] == length)
            yield Mention(" ".join(words), owners, first, last)

    def _find_beginnings(self, text_words: TextWords, about: Iterable[int]) -> Iterator[Mention]:
        """Yield where the text begins a title of `about` as a name is written: two words or more,
        which are not a name of other items."""
        starts: dict[tuple[str, ...], list[int]] = {}
        for code in about:
            starts.setdefault(tuple(self.titles[code].split(" ", 2)[:2]), []).append(code)
        for first in range(len(text_words.words) - 1):
            for code in starts.get((text_words.words[first], text_words.words[first + 1]), ()):
                last = first + _count_agreeing(text_words.words, first, self.titles[code])
                words = text_words.words[first:last]
                name = " ".join(words)
                of_others = name in self._names and code not in self._names[name]
                if (
                    not of_others
                    and count_content_words(words) > 1
                    and text_words.is_capitalized(first, last)
                ):
                    yield Mention(name, (code,), first, last)

    def _counts(self, text_words: TextWords, first: int, last: int) -> bool:
        """Return whether the name that stands there names anything; see the module."""
        words = text_words.words[first:last]
        if text_words.is_marked_off(first, last) or count_content_words(words) >= _CONTENT:
            return True
        if not text_words.is_capitalized(first, last):
            return False
        word = words[0]
        return len(words) > 1 or (
            len(word) >= _LETTERS
            and any(letter.isalpha() for letter in word)
            and word not in FUNCTION_WORDS
            and word not in self._ordinary
            and not text_words.starts_sentence(first)
        )

    def _ordinary_words(self) -> frozenset[str]:
        """Return the names of one word that other titles or categories hold."""
        single = {name for name in self._names if " " not in name}
        counts = Counter(word for title in self.titles for word in set(title.split()) & single)
        repeated = {word for word in single if counts[word] > len(self._names[word])}
        columns = [self.catalog.texts[name] for name in _CATEGORIES if name in self.catalog.texts]
        values = {value for column in columns for value in column if value}
        return frozenset(repeated | {w for value in values for w in split_words(value)} & single)


_CACHE: deque[TitleIndex] = deque(maxlen=2)


def title_index(catalog: Catalog) -> TitleIndex:
    """Return the index of a catalogue; the last ones are cached, as a large one takes seconds."""
    for index in _CACHE:
        if index.catalog is catalog:
            return index
    _CACHE.append(TitleIndex(catalog))
    return _CACHE[-1]


def _shorter_forms(title: str) -> set[str]:
    """Return the other names of a title, as they are written."""
    base = title.strip()
    while base.endswith((")", "]")):
        opening = base.rfind("(" if base[-1] == ")" else "[")
        if opening <= 0:
            break
        base = base[:opening].rstrip()
    head, comma, article = base.rpartition(", ")
    if comma and article.casefold() in _ARTICLES:  # "War, The" is not in "a film of war. The ..."
        base = f"{article} {head}"
    return {base, shorten_title(title)} - {title}


def _is_within(name: str, title: str) -> bool:
    """Return whether a title has all words of a name; a plural counts as the word itself."""
    words = {word.removesuffix("s") for word in title.split()}
    return all(word.removesuffix("s") in words for word in name.split())


def _count_agreeing(words: list[str], first: int, title: str) -> int:
    """Count the words of a title that the text repeats from `first` on."""
    count = 0
    for count, word in enumerate(title.split(), 1):
        if first + count > len(words) or words[first + count - 1] != word:
            return count - 1
    return count
