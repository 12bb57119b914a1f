"""What a statement is checked against: texts, reviews and ratings of the history, and the item."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache

from benchkit.judging.text_segmentation import FUNCTION_WORDS, split_words
from benchkit.rating_scale import DISLIKED_STARS, LIKED_STARS
from benchkit.types import Catalog, Request

_PREFIX = 5  # letters that two words of one family have in common at least


@dataclass(frozen=True)
class ItemEvidence:
    """What is known of one item of the history, or of the recommended one."""

    title: frozenset[str]
    """Stems of its title."""
    texts: frozenset[str]
    """Stems of what the catalogue says of it."""
    reviews: frozenset[str]
    """Stems of the user's reviews of it."""
    stars: float | None
    """The user's last rating in stars, 1 to 5; None where there is none."""
    word: str
    """The same in the words that a prompt has, lower case; '' without a rating."""

    @cached_property
    def stems(self) -> frozenset[str]:
        """Everything that is said of it."""
        return self.texts | self.reviews | content_stems(self.word)

    @property
    def liked(self) -> bool | None:
        """Whether the rating says that the user liked it; None where it says neither."""
        if self.stars is None or DISLIKED_STARS < self.stars < LIKED_STARS:
            return None
        return self.stars >= LIKED_STARS


@dataclass(frozen=True)
class Evidence:
    """All that a recommender was shown of a user and an item."""

    history: Mapping[int, ItemEvidence]
    """By code of the catalogue, oldest first."""
    item: int | None
    """Code of the recommended item; None where the catalogue lacks it."""
    item_evidence: ItemEvidence | None
    """Of the recommended item, without the user's opinion of it; None without an item."""

    def of(self, codes: Iterable[int]) -> list[ItemEvidence]:
        """Return what is known of these items: as one of the history, where it is one."""
        parts = []
        for code in codes:
            if code in self.history:
                parts.append(self.history[code])
            elif code == self.item and self.item_evidence is not None:
                parts.append(self.item_evidence)
        return parts

    @property
    def everything(self) -> list[ItemEvidence]:
        """The history and the recommended item."""
        return [*self.history.values(), *([self.item_evidence] if self.item_evidence else [])]


def read_evidence(request: Request, item: str | None, catalog: Catalog) -> Evidence:
    """Return what a user's history and the catalogue say; items that it lacks are left out."""
    reviews: dict[int, list[str]] = {}
    ratings: dict[int, float | None] = {}
    for event in request.history:
        code = catalog.index.get(event.item)
        if code is None:
            continue
        reviews.setdefault(code, []).append(event.review or "")
        ratings[code] = event.rating
    history = {
        code: _item_evidence(catalog, code, " ".join(reviews[code]), rating)
        for code, rating in ratings.items()
    }
    code = None if item is None else catalog.index.get(item)
    about = None if code is None else _item_evidence(catalog, code, "", None)
    return Evidence(history, code, about)


def _item_evidence(catalog: Catalog, code: int, review: str, rating: float | None) -> ItemEvidence:
    scale = catalog.rating_scale
    texts = " ".join(column[code] or "" for column in catalog.texts.values())
    stars, word = None, ""
    if scale is not None and rating is not None and scale.low <= rating <= scale.high:
        stars, word = scale.to_stars(rating), scale.word(rating).casefold()
    title = content_stems(catalog.text(catalog.ids[code]) or catalog.ids[code])
    return ItemEvidence(title, content_stems(texts) | title, content_stems(review), stars, word)


@lru_cache(maxsize=4096)
def content_stems(text: str) -> frozenset[str]:
    """Return the stems of the words of a text that are not function words."""
    return frozenset(stem(word) for word in split_words(text) if word not in FUNCTION_WORDS)


@lru_cache(maxsize=100_000)
def stem(word: str) -> str:
    """Return an English word without its common endings; enough to compare words of one family.

    >>> [stem(word) for word in ("candies", "baking", "rated", "boxes", "healthy", "grass")]
    ['candy', 'bak', 'rat', 'box', 'health', 'grass']
    """
    word = word.removesuffix("'s").removesuffix("'")
    if len(word) > 4 and word.endswith("ies"):
        return word[:-3] + "y"
    for ending, least in (("ing", 6), ("ed", 5), ("es", 5), ("s", 4), ("y", 6), ("e", 4)):
        if len(word) >= least and word.endswith(ending) and not word.endswith("ss"):
            short = word[: -len(ending)]
            if ending == "es" and not short.endswith(("s", "x", "z", "h")):
                continue
            return short.removesuffix("e") if ending == "s" else short
    return word


def is_known(word: str, stems: Iterable[str]) -> bool:
    """Return whether a stem is among others, or of one family with one: they begin alike.

    >>> is_known("nutritiou", {"nutrition"}), is_known("salt", {"salmon"})
    (True, False)
    """
    if word in (stems := frozenset(stems)):
        return True
    if len(word) < _PREFIX:
        return False
    return any(_common_prefix(word, other) >= max(_PREFIX, len(word) - 3) for other in stems)


def _common_prefix(first: str, second: str) -> int:
    length = 0
    for one, other in zip(first, second, strict=False):
        if one != other:
            break
        length += 1
    return length
