"""What a catalogue says of items, and what of it several items have in common."""

import re
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from benchkit.types import Catalog

# Columns of item texts in the order in which they are preferred, and what one value is called.
_COLUMNS = (
    ("genres", "genre"),
    ("categories", "category"),
    ("category", "category"),
    ("tags", "tag"),
    ("style", "style"),
    ("brand", "brand"),
    ("store", "store"),
    ("developer", "developer"),
    ("publisher", "publisher"),
    ("main_category", "category"),
)
_SINGLE = {"style", "brand", "store", "developer", "publisher", "main_category"}
_WORD = "title word"
_MOST = 2  # facts told of one thing
_UBIQUITOUS = 0.9  # what a larger share of the items has says nothing
_NOTHING = {"", "unknown", "none", "n/a"}
_TITLE_WORDS = 10  # a longer title is cut
_BREAKS = (",", ";", ":", "|", "-", "–", "(")
_LETTERS = re.compile(r"[^\W\d_]{3,}")
_STOP = frozenset(
    _LETTERS.findall(
        "all and are but for from has have her him his into its new not off our out over per that"
        " the their them these they this under was with you your"
        " bag bags bottle bottles box boxes can cans count each fluid gram grams inch inches jar"
        " jars ounce ounces pack packs piece pieces pound pounds set size"
    )
)


class ItemFact(NamedTuple):
    """A value that an item has: ItemFact("genre", "Drama"). The value stands in the catalogue."""

    noun: str
    value: str


class CatalogFacts:
    """The facts of all items of a catalogue.

    What is told are at most two facts, of the first columns that have any, rare values first; words
    of (shortened) titles only where the other columns give nothing. Values of nearly all items are
    left out.
    """

    def __init__(self, catalog: Catalog) -> None:
        kinds = [
            (noun, _values(name, catalog.texts[name]))
            for name, noun in _COLUMNS
            if name in catalog.texts
        ]
        titles = catalog.texts["title"]
        kinds.append((_WORD, [_words(shorten_title(title or "")) for title in titles]))
        self._kinds: list[tuple[str, list[frozenset[str]], Counter[str]]] = []
        for noun, values in kinds:
            counts = Counter(value for some in values for value in some)
            common = {v for v, n in counts.items() if n > max(1, _UBIQUITOUS * len(catalog))}
            self._kinds.append((noun, [some - common for some in values], counts))

    def holds(self, code: int, fact: ItemFact) -> bool:
        """Return whether an item has a value, be it among those that are told of it or not."""
        return any(
            noun == fact.noun and fact.value in values[code] for noun, values, _ in self._kinds
        )

    def most_frequent(self, most: int) -> list[ItemFact]:
        """Return the most frequent facts that are more than words of titles, at most `most`."""
        ranked = [
            (count, ItemFact(noun, value))
            for noun, _, counts in self._kinds
            if noun != _WORD
            for value, count in counts.items()
        ]
        ranked.sort(key=lambda pair: (-pair[0], pair[1]))
        return [fact for _, fact in ranked[:most]]

    def in_common(self, *codes: int) -> tuple[ItemFact, ...]:
        """Return up to two facts that all items of `codes` have."""
        return self._found(codes) or self._found(codes, words=True)

    def of_item(self, code: int) -> tuple[ItemFact, ...]:
        """Return up to two facts of an item that are more than words of its title."""
        return self._found((code,))

    def _found(self, codes: Sequence[int], words: bool = False) -> tuple[ItemFact, ...]:
        ranked: list[ItemFact] = []
        for noun, values, counts in self._kinds:
            if (noun == _WORD) != words:
                continue
            common = frozenset.intersection(*(values[code] for code in codes))
            used = {fact.value.casefold() for fact in ranked}
            rare = sorted(common, key=lambda value: (counts[value], value))
            ranked += [ItemFact(noun, value) for value in rare if value.casefold() not in used]
            if len(ranked) >= _MOST:
                break
        return tuple(ranked[:_MOST])


def shorten_title(title: str) -> str:
    """Return the beginning of a title: up to ten words, else up to a break, else ten words.

    >>> shorten_title("Green Tea Bags, organic, 100 count, a gift for him and for her")
    'Green Tea Bags'
    """
    words = title.split()
    if len(words) <= _TITLE_WORDS:
        return title
    for last in range(3, _TITLE_WORDS + 1):
        ends = words[last - 1][-1] in ",;:|" or words[last][0] in _BREAKS
        if ends:
            return " ".join(words[:last]).rstrip(",;:| ")
    return " ".join(words[:_TITLE_WORDS])


def describe_facts(facts: Sequence[ItemFact]) -> str:
    """Write facts as part of a sentence.

    >>> describe_facts([ItemFact("genre", "Drama"), ItemFact("genre", "War")])
    'the genres Drama and War'
    >>> describe_facts([ItemFact("category", "Tea"), ItemFact("brand", "Acme")])
    'the category Tea and the brand Acme'
    """
    if len({fact.noun for fact in facts}) == len(facts):
        return " and ".join(f"the {noun} {value}" for noun, value in facts)
    return f"the {pluralize(facts[0].noun)} {' and '.join(value for _, value in facts)}"


def pluralize(noun: str) -> str:
    """Return 'genres' for 'genre', 'categories' for 'category'."""
    return noun.removesuffix("y") + "ies" if noun.endswith("y") else noun + "s"


def _values(name: str, column: Sequence[str | None]) -> list[frozenset[str]]:
    """Return the values of each item, however the column separates them."""
    texts = [text or "" for text in column]
    separator = None if name in _SINGLE else _separator(texts)
    parts = (text.split(separator) if separator else [text] for text in texts)
    stripped = ([part.strip() for part in some] for some in parts)
    return [frozenset(p for p in some if p.casefold() not in _NOTHING) for some in stripped]


def _separator(texts: Sequence[str]) -> str | None:
    for separator in (" > ", "|", ","):
        if any(separator in text for text in texts):
            return separator
    # "Drama War" are two values where few words combine to many texts; "Film Noir" is one.
    distinct = set(texts)
    words = {word for text in distinct for word in text.split()}
    return " " if len(words) < len(distinct) else None


def _words(title: str) -> frozenset[str]:
    words = (word.lower() for word in _LETTERS.findall(title))
    return frozenset(word for word in words if word not in _STOP)
