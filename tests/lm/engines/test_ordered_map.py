"""Many requests at once, their results in order."""

import threading

import pytest

from benchkit.errors import EngineError
from benchkit.lm.engines.ordered_map import ITEMS_AHEAD_PER_WORKER, map_ordered


def test_results_come_in_order_and_items_are_taken_as_needed():
    taken = []

    def items():
        for i in range(50):
            taken.append(i)
            yield i

    release = threading.Event()

    def work(i, stop):
        if i == 0:
            release.wait(5)
        return i * i

    results = map_ordered(work, items(), 2)
    threading.Timer(0.05, release.set).start()
    assert next(results) == 0
    assert len(taken) <= 2 * ITEMS_AHEAD_PER_WORKER + 1
    assert [0, *results] == [i * i for i in range(50)]


def test_the_first_failure_is_raised_after_what_came_before_it():
    ran = []

    def work(i, stop):
        ran.append(i)
        if i == 5:
            raise EngineError("gone")
        return i

    got = []
    with pytest.raises(EngineError, match="gone"):
        for result in map_ordered(work, range(1000), 2):
            got.append(result)
    assert got == list(range(5))
    assert len(ran) <= 5 + 2 * ITEMS_AHEAD_PER_WORKER + 2


def test_losing_interest_stops_the_work():
    ran = []
    results = map_ordered(lambda i, stop: ran.append(i), range(1000), 2)
    next(results)
    results.close()
    count = len(ran)
    assert count <= 2 * ITEMS_AHEAD_PER_WORKER + 2
    assert not [t for t in threading.enumerate() if t.name.startswith("engine")]
