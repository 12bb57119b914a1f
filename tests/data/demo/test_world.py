"""The planted world: what can be learnt is in it, and it depends on its name and size alone."""

from collections import Counter

import numpy as np
import pytest

from benchkit.data.demo import DEMO_FORMATS
from benchkit.data.demo.world import WorldShape, plant_world
from benchkit.data.sources import SOURCES

USERS = 120


@pytest.fixture(scope="module")
def world():
    return plant_world("amazon2023/Grocery_and_Gourmet_Food", USERS)


def test_equal_arguments_plant_one_world(world):
    plant_world.cache_clear()
    assert plant_world("amazon2023/Grocery_and_Gourmet_Food", USERS) == world
    other = plant_world("amazon2023/Books", USERS)
    assert other.events != world.events
    assert {item.category for item in other.items}.isdisjoint(i.category for i in world.items)


def test_popularity_has_a_long_tail(world):
    counts = sorted(Counter(event.item for event in world.events).values(), reverse=True)
    tenth = len(world.items) // 10
    assert sum(counts[:tenth]) > 1.8 * len(world.events) / 10
    assert sum(item.is_rare for item in world.items) >= 20


def test_ratings_follow_tastes_and_reviews_say_why(world):
    by_maker = {True: [], False: []}
    for event in world.events:
        likes = "everything from" in event.reason
        by_maker[likes].append(event.rating)
        assert world.items[event.item].noun in event.reason or event.rating <= 3
    assert np.mean(by_maker[True]) > np.mean(by_maker[False]) + 0.4
    assert {event.rating for event in world.events} == {1, 2, 3, 4, 5}


def test_steps_repeat(world):
    """What follows an item is mostly one of two: a method that looks at the last item gains."""
    steps = Counter()
    for before, after in zip(world.events, world.events[1:], strict=False):
        if before.user == after.user:
            steps[before.item, after.item] += 1
    repeated = sum(count for count in steps.values() if count >= 3)
    assert repeated > 0.3 * sum(steps.values())


def test_some_users_are_too_short_some_times_tie_some_titles_repeat(world):
    lengths = Counter(event.user for event in world.events)
    assert sum(length < 5 for length in lengths.values()) == round(0.2 * USERS)
    assert sum(length >= 8 for length in lengths.values()) == USERS
    pairs = zip(world.events, world.events[1:], strict=False)
    assert any((a.user, a.time) == (b.user, b.time) for a, b in pairs)
    titles = Counter(item.title for item in world.items)
    assert max(titles.values()) > 1
    assert len(titles) > 0.9 * len(world.items)


def test_no_user_has_an_item_twice(world):
    assert len({(event.user, event.item) for event in world.events}) == len(world.events)


def test_a_shape_says_how_long_users_stay():
    long = plant_world("steam", 400, WorldShape(lengths=(24, 30), pause=(31.0, 1.0), casual=0.0))
    assert min(Counter(event.user for event in long.events).values()) >= 24


def test_every_source_with_published_files_has_a_format():
    assert set(DEMO_FORMATS) == set(SOURCES) - {"frames", "huggingface", "recbole", "table"}
    assert all(DEMO_FORMATS.load(name).source == name for name in DEMO_FORMATS)
