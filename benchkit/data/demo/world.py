"""A planted world: what demo data have to learn, before it is written in anybody's format.

Items have a category, a maker and a trait. Users prefer two categories, two makers and a trait, and
mostly take what follows in a chain of items from what they took last. Popularity has a long tail.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from benchkit import seeds
from benchkit.data.demo.vocabulary import MAKERS, TRAITS, choose_vocabulary, compose_title

_LEAST_ITEMS = 320  # a tenth of them, withheld, still fills a list of 21
_PURCHASES = 13  # interactions an item, on average
_TAIL = 0.6  # exponent of the popularity: weight of rank r is r ** -_TAIL
_FOLLOWS = 0.62  # share of the steps to an item that follows on the last one
_FIRST_FOLLOWER = 0.75  # share of these steps to the first of its two followers
_TIES = 0.03  # share of the steps without a pause
_RARE_ITEMS = 0.1  # further items that hardly anybody takes, an item
_SAME_TITLE = 0.04  # share of the items that are called as another one
_START = 1_420_070_400  # 2015-01-01
_DAY = 86_400


@dataclass(frozen=True)
class WorldShape:
    """How long the users of a world stay.

    Attributes:
        lengths: The shortest and the longest history of a user who is meant to be left.
        pause: Days between two interactions: the least, and how many more on average.
        casual: Further users with too few interactions for any filter, a user.
    """

    lengths: tuple[int, int] = (8, 16)
    pause: tuple[float, float] = (0.0, 20.0)
    casual: float = 0.2


@dataclass(frozen=True)
class PlantedItem:
    """One item; `follower` and `category` are what the sequences are made of."""

    title: str
    category: str
    maker: str
    trait: str
    noun: str
    price: float
    year: int
    is_rare: bool
    """Whether hardly anybody takes it: it may lack a title, too."""


@dataclass(frozen=True)
class PlantedEvent:
    """One interaction."""

    user: int
    item: int
    time: int
    """Seconds since 1970."""
    rating: int
    """1-5."""
    reason: str
    """The review, which says why."""
    amount: float
    """Hours played or times listened: more where the rating is better."""


@dataclass(frozen=True)
class PlantedWorld:
    """Items by number, and events in the order of a file: by user, in the order of time."""

    name: str
    items: tuple[PlantedItem, ...]
    events: tuple[PlantedEvent, ...]

    def generator(self, purpose: str) -> np.random.Generator:
        """Return a generator for what a format adds to the world."""
        return seeds.generator("demo", self.name, purpose)


@dataclass(frozen=True)
class _Taste:
    categories: NDArray[np.float64]
    makers: frozenset[str]
    trait: str


class _Chooser:
    """Draws what a user takes next."""

    def __init__(
        self, items: Sequence[PlantedItem], n_common: int, rng: np.random.Generator
    ) -> None:
        self.items, self.rng = items, rng
        names = list(dict.fromkeys(item.category for item in items))
        self.category = np.array([names.index(item.category) for item in items])
        self.n_categories = len(names)
        rank = rng.permutation(n_common) + 1.0
        self.weight = np.concatenate([rank**-_TAIL, np.full(len(items) - n_common, 0.01)])
        self.followers = [self._draw_followers(number, n_common) for number in range(len(items))]

    def _draw_followers(self, item: int, n_common: int) -> tuple[int, int]:
        """Return the next item of the category, round in a ring, and a popular one."""
        same = np.flatnonzero(self.category[:n_common] == self.category[item])
        ahead = int(same[np.searchsorted(same, item, side="right") % len(same)])
        share = self.weight[same] / self.weight[same].sum()
        return ahead, int(self.rng.choice(same, p=share))

    def draw_taste(self) -> _Taste:
        shares = np.full(self.n_categories, 0.15 / self.n_categories)
        first, second = self.rng.choice(self.n_categories, 2, replace=False)
        shares[first] += 0.55
        shares[second] += 0.30
        makers = frozenset(self.rng.choice(MAKERS, 2, replace=False).tolist())
        return _Taste(shares, makers, str(self.rng.choice(TRAITS)))

    def draw_next(self, taste: _Taste, history: list[int]) -> tuple[int, bool]:
        """Return an item that is not in `history`, and whether it follows on the last one."""
        if history and self.rng.random() < _FOLLOWS:
            first, second = self.followers[history[-1]]
            if self.rng.random() >= _FIRST_FOLLOWER:
                first, second = second, first
            for item in (first, second):
                if item not in history:
                    return item, True
        liked = np.array([item.maker in taste.makers for item in self.items])
        weight = self.weight * taste.categories[self.category] * np.where(liked, 3.0, 1.0)
        weight[history] = 0.0
        return int(self.rng.choice(len(weight), p=weight / weight.sum())), False


@lru_cache(maxsize=2)
def plant_world(name: str, users: int, shape: WorldShape = WorldShape()) -> PlantedWorld:
    """Return the world of a dataset. It depends on the arguments alone.

    Args:
        name: The dataset, e.g. "amazon2023/Books"; its words fit the domain.
        users: Users with a history long enough to be left by the filters of a suite; others come
            on top.
        shape: How long they stay.
    """
    rng = seeds.generator("demo", name, users, shape.lengths, shape.pause)
    low, high = shape.lengths
    # A small world needs longer histories, or its items are too rare for a 5-core.
    stretch = max(1.0, _LEAST_ITEMS * _PURCHASES / (users * (low + high) / 2))
    lengths = rng.integers(round(low * stretch), round(high * stretch) + 1, users)
    n_common = max(_LEAST_ITEMS, int(lengths.sum()) // _PURCHASES)
    items = _plant_items(name, n_common, rng)
    chooser = _Chooser(items, n_common, rng)
    casual = rng.integers(1, 4, round(users * shape.casual))
    events: list[PlantedEvent] = []
    for user, length in enumerate([*lengths.tolist(), *casual.tolist()]):
        events += _plant_history(user, length, chooser, shape)
    return PlantedWorld(name, items, tuple(events))


def _plant_items(name: str, n_common: int, rng: np.random.Generator) -> tuple[PlantedItem, ...]:
    words = choose_vocabulary(name)
    categories = list(words.categories)
    items: list[PlantedItem] = []
    counts: dict[tuple[str, ...], int] = {}
    n_items = n_common + round(n_common * _RARE_ITEMS)
    for number in range(n_items):
        category = categories[number % len(categories)]
        maker, trait = str(rng.choice(MAKERS)), str(rng.choice(TRAITS))
        noun = str(rng.choice(words.categories[category]))
        key = (maker, trait, noun) if words.of_makers else (trait, noun)
        counts[key] = counts.get(key, -1) + 1
        title = compose_title(maker, trait, noun, counts[key], words.of_makers)
        price, year = round(float(rng.lognormal(2.8, 0.7)), 2), int(rng.integers(1970, 2015))
        if number >= len(categories) and rng.random() < _SAME_TITLE:
            title = items[number - len(categories)].title  # another edition, of the same category
        is_rare = number >= n_common
        items.append(PlantedItem(title, category, maker, trait, noun, price, year, is_rare))
    return tuple(items)


def _plant_history(
    user: int, length: int, chooser: _Chooser, shape: WorldShape
) -> list[PlantedEvent]:
    rng, items = chooser.rng, chooser.items
    taste = chooser.draw_taste()
    favourite = int(np.argmax(taste.categories))
    time = _START + int(rng.integers(0, 720 * _DAY))
    history: list[int] = []
    events: list[PlantedEvent] = []
    for _ in range(length):
        number, follows = chooser.draw_next(taste, history)
        item = items[number]
        is_favourite = taste.categories[chooser.category[number]] > 0.15
        liking = 1.7 + 2.0 * is_favourite + 0.7 * (item.maker in taste.makers)
        liking += 0.7 * (item.trait == taste.trait) + float(rng.normal(0, 0.9))
        rating = int(np.clip(round(liking), 1, 5))
        before = items[history[-1]] if follows else None
        reason = _explain(item, rating, taste, before, items[favourite].category)
        amount = float(np.exp(0.9 * rating + rng.normal(0, 0.4)))
        if events and rng.random() >= _TIES:
            least, more = shape.pause
            time += int(_DAY * (least + rng.exponential(more))) + int(rng.integers(1, 3600))
        history.append(number)
        events.append(PlantedEvent(user, number, time, rating, reason, round(amount, 1)))
    return events


def _explain(
    item: PlantedItem, rating: int, taste: _Taste, before: PlantedItem | None, favourite: str
) -> str:
    """Return a review that says why the item was taken, and why it is rated so."""
    if before is not None:
        why = f"After the {before.title} this was the natural next step."
    elif item.maker in taste.makers:
        why = f"I look for everything from {item.maker}."
    else:
        why = f"I wanted to try something in {item.category}."
    if rating >= 4:
        verdict = f"{item.noun}: {item.trait}, just what I like in {item.category}."
    elif rating == 3:
        verdict = f"It is all right, though I had hoped for something more {taste.trait}."
    else:
        verdict = f"Too {item.trait} for me; I go back to {favourite} and to what is {taste.trait}."
    return f"{why} {verdict}"
