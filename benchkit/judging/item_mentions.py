"""Which items of a catalogue a text names: titles found as whole words, in one pass over the text.

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
  be found in no other title and no category of the catalogue. Function words are no such word.
"""

from collections import Counter, deque
from collections.abc import Collection, Iterable, Iterator, Set
from itertools import groupby
from typing import NamedTuple

from benchkit.judging.text_segmentation import (
    normalize_characters,
    normalize_word,
    split_words,
    word_spans,
)
from benchkit.lm.teachers.facts import shorten_title
from benchkit.types import Catalog

_OPENING = 4  # words: fewer are a brand, or the beginning of many titles
_CONTENT = 4  # content words that are no ordinary phrase
_LETTERS = 4
_ARTICLES = ("the", "a", "an", "il", "la", "le", "les", "das", "der", "die", "el")
_KINDS = ("genres", "categories", "category", "main_category", "style", "brand", "store", "tags")
_MARKS = frozenset("\"'“”‘’„«»*_`「」『』《》")
_ENDS = frozenset(".!?…:\n")
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


class Mention(NamedTuple):
    """A place that names an item, or several of one name.

    name: as normalised words. codes: of the items. first, last: the words from and before which it
    stands.
    """

    name: str
    codes: tuple[int, ...]
    first: int
    last: int


class NamedItems(NamedTuple):
    """What a text names: codes of the history's items; the item itself; names of other candidates,
    and of items that are none of these."""

    history: frozenset[int]
    item: bool
    candidates: frozenset[str]
    outside: frozenset[str]


class TitleIndex:
    """The names of a catalogue's items, made once; finding takes time by the text alone."""

    def __init__(self, catalog: Catalog) -> None:
        self.catalog = catalog
        titles = catalog.texts.get("title", ())
        self.titles = [
            " ".join(split_words(title or item))
            for title, item in zip(titles or catalog.ids, catalog.ids, strict=True)
        ]
        names: dict[str, list[int]] = {}
        self._openings: dict[str, list[int]] = {}
        for code, whole in enumerate(self.titles):
            title = (titles[code] if titles else None) or catalog.ids[code]
            for name in {whole, *(" ".join(split_words(other)) for other in _shorter(title))}:
                if name:
                    names.setdefault(name, []).append(code)
            listed = whole.split(" ", _OPENING)
            if len(listed) > _OPENING and _content(listed[:_OPENING]) >= _OPENING - 1:
                self._openings.setdefault(" ".join(listed[:_OPENING]), []).append(code)
        self._names = {name: tuple(codes) for name, codes in names.items()}
        lengths: dict[str, set[int]] = {}
        for name in names:
            listed = name.split(" ")
            lengths.setdefault(" ".join(listed[:2]), set()).add(len(listed))
        self._lengths = {start: sorted(found) for start, found in lengths.items()}
        self._ordinary = self._ordinary_words()

    def find_mentions(self, text: str, about: Iterable[int] = ()) -> list[Mention]:
        """Mentions in the order of the text. Longer names are taken out first, so that "Toy Story"
        is not in "Toy Story 2"; of equally long ones that overlap all count.

        about: codes of items for which the first two words are enough.
        """
        read = _Read(text)
        mentions = (*self._found(read), *self._begun(read, about))
        kept: list[Mention] = []
        taken: set[int] = set()
        by_length = sorted(mentions, key=lambda mention: mention.first - mention.last)
        for _, same in groupby(by_length, key=lambda mention: mention.last - mention.first):
            free = [m for m in same if taken.isdisjoint(range(m.first, m.last))]
            taken.update(place for m in free for place in range(m.first, m.last))
            kept += free
        return sorted(kept, key=lambda mention: mention.first)

    def classify_mentions(
        self,
        mentions: Iterable[Mention],
        item: int | None,
        history: Collection[int],
        candidates: Set[int],
        known: Iterable[str],
    ) -> NamedItems:
        """Whose names the mentions of a rationale are. A name of several items is the history's or
        the item's if it can be, else a candidate's.

        item: None where nothing was recommended.

        known: what else the model was shown of history and item (categories, reviews). A name in
        there is neither candidate nor outside, nor is one whose words are all in one title of
        history or item, as it may be a careless form of that title.
        """
        past: set[int] = set()
        about = [*history, *([] if item is None else [item])]
        others: dict[bool, set[str]] = {True: set(), False: set()}
        itself = False
        shown: str | None = None
        for mention in mentions:
            codes = set(mention.codes)
            itself |= item in codes
            if of_history := codes.intersection(history):
                past.add(min(of_history))
            elif item not in codes:
                if any(_within(mention.name, self.titles[code]) for code in about):
                    continue
                if shown is None:
                    shown = " | ".join(["", *(" ".join(split_words(part)) for part in known), ""])
                if f" {mention.name} " not in shown:
                    others[bool(codes & candidates)].add(mention.name)
        return NamedItems(
            frozenset(past), itself, frozenset(others[True]), frozenset(others[False])
        )

    def _found(self, read: "_Read") -> Iterator[Mention]:
        for first, word in enumerate(read.words):
            pair = " ".join(read.words[first : first + 2])
            lengths = (*self._lengths.get(word, ()), *self._lengths.get(pair, ()))
            for length in dict.fromkeys(lengths):
                name = " ".join(read.words[first : first + length])
                codes = self._names.get(name)
                if (
                    codes
                    and first + length <= len(read.words)
                    and self._counts(read, first, length)
                ):
                    yield Mention(name, codes, first, first + length)
            start = " ".join(read.words[first : first + _OPENING])
            if start in self._openings:
                yield from self._opened(read, first, self._openings[start])

    def _opened(self, read: "_Read", first: int, codes: list[int]) -> Iterator[Mention]:
        """The items whose titles agree with the text for longest."""
        agreed = {code: _agreed(read.words, first, self.titles[code]) for code in codes}
        length = max(agreed.values())
        if (
            read.raised(first, first + length)
            or _content(read.words[first : first + length]) >= _CONTENT
        ):
            name = " ".join(read.words[first : first + length])
            owners = tuple(code for code in codes if agreed[code] == length)
            yield Mention(name, owners, first, first + length)

    def _begun(self, read: "_Read", about: Iterable[int]) -> Iterator[Mention]:
        """Where the text begins a title of `about` as a name is written: two words or more, which
        are not a name of other items."""
        starts: dict[tuple[str, ...], list[int]] = {}
        for code in about:
            starts.setdefault(tuple(self.titles[code].split(" ", 2)[:2]), []).append(code)
        for first in range(len(read.words) - 1):
            for code in starts.get((read.words[first], read.words[first + 1]), ()):
                last = first + _agreed(read.words, first, self.titles[code])
                listed = read.words[first:last]
                name = " ".join(listed)
                others = name in self._names and code not in self._names[name]
                if not others and _content(listed) > 1 and read.raised(first, last):
                    yield Mention(name, (code,), first, last)

    def _counts(self, read: "_Read", first: int, length: int) -> bool:
        """Whether the name that stands there names anything; see the module."""
        last = first + length
        if read.marked(first, last) or _content(read.words[first:last]) >= _CONTENT:
            return True
        if not read.raised(first, last):
            return False
        word = read.words[first]
        return length > 1 or (
            len(word) >= _LETTERS
            and any(letter.isalpha() for letter in word)
            and word not in FUNCTION_WORDS
            and word not in self._ordinary
            and not read.starts_sentence(first)
        )

    def _ordinary_words(self) -> frozenset[str]:
        """Of the names of one word those that other titles or categories hold."""
        single = {name for name in self._names if " " not in name}
        counts = Counter(word for title in self.titles for word in set(title.split()) & single)
        repeated = {word for word in single if counts[word] > len(self._names[word])}
        columns = [self.catalog.texts[name] for name in _KINDS if name in self.catalog.texts]
        values = {value for column in columns for value in column if value}
        return frozenset(repeated | {w for value in values for w in split_words(value)} & single)


_KEPT: deque[TitleIndex] = deque(maxlen=2)


def title_index(catalog: Catalog) -> TitleIndex:
    """The index of a catalogue; those of the last ones are kept, as a large one takes seconds."""
    for index in _KEPT:
        if index.catalog is catalog:
            return index
    _KEPT.append(TitleIndex(catalog))
    return _KEPT[-1]


class _Read:
    """A text as normalised words, and how each is written."""

    def __init__(self, text: str) -> None:
        self._text = normalize_characters(text)
        places = [
            (key, span)
            for span in word_spans(self._text)
            for key in normalize_word(self._text[slice(*span)])
        ]
        self.words = [key for key, _ in places]
        self._spans = [span for _, span in places]

    def raised(self, first: int, last: int) -> bool:
        """Whether no content word there begins with a small letter; without any, no word."""
        places = [i for i in range(first, last) if self.words[i] not in FUNCTION_WORDS]
        return all(
            not self._text[self._spans[i][0]].islower() for i in places or range(first, last)
        )

    def marked(self, first: int, last: int) -> bool:
        start, end = self._spans[first][0], self._spans[last - 1][1]
        after = self._text[end : end + 3].lstrip(".,!?;)")
        return start > 0 and self._text[start - 1] in _MARKS and after[:1] in _MARKS

    def starts_sentence(self, first: int) -> bool:
        before = self._text[: self._spans[first][0]].rstrip(" \t([" + "".join(_MARKS))
        return not before or before[-1] in _ENDS


def _shorter(title: str) -> set[str]:
    """The other names of a title, as they are written."""
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


def _content(listed: Iterable[str]) -> int:
    return sum(word not in FUNCTION_WORDS for word in listed)


def _within(name: str, title: str) -> bool:
    """Whether a title has all words of a name; a plural counts as the word itself."""
    there = {word.removesuffix("s") for word in title.split()}
    return all(word.removesuffix("s") in there for word in name.split())


def _agreed(listed: list[str], first: int, title: str) -> int:
    """How many words of a title stand in the text from `first` on."""
    count = 0
    for count, word in enumerate(title.split(), 1):
        if first + count > len(listed) or listed[first + count - 1] != word:
            return count - 1
    return count
