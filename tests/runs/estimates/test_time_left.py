"""How far a suite is: counts, and seconds left from records or from what has ended."""

from types import SimpleNamespace

from hypothesis import given
from hypothesis import strategies as st

from benchkit.runs.estimates.expected_costs import ExpectedCosts, Forecast
from benchkit.runs.estimates.time_left import SuiteClock


def job(name, seconds=None):
    expected = None
    if seconds is not None:
        expected = ExpectedCosts(seconds=Forecast(value=seconds, low=seconds, high=seconds))
    return SimpleNamespace(run_id=name, expected=expected, threads=1)


class Timer:
    now = 0.0

    def __call__(self):
        return self.now


def test_nothing_is_known_before_a_run_has_ended_and_then_the_mean():
    timer = Timer()
    clock = SuiteClock("s", 6, [job("a"), job("b"), job("c")], 1, clock=timer)
    first = clock.event()
    assert (first.kind, first.run, first.done, first.total) == ("suite", "s", 3, 6)
    assert first.seconds_left is None
    timer.now = 10.0
    assert (clock.finish("b").done, clock.event().seconds_left) == (4, 20.0)
    timer.now = 40.0
    assert clock.finish("a").seconds_left == 20.0  # 40 s for two of them
    timer.now = 50.0
    last = clock.finish("c")
    assert (last.done, last.seconds_left) == (6, 0.0)


def test_runs_on_record_count_as_they_were():
    timer = Timer()
    clock = SuiteClock("s", 3, [job("a", 5.0), job("b", 600.0), job("c")], 1, clock=timer)
    assert clock.event().seconds_left is None  # nothing is known of c
    timer.now = 4.0
    assert clock.finish("a").seconds_left == 604.0


def test_workers_share_what_is_left():
    timer = Timer()
    todo = [job(name, 60.0) for name in "abcd"]
    clock = SuiteClock("s", 4, todo, 2, here=False, clock=timer)
    assert clock.event().seconds_left == 120.0
    assert clock.finish("d").seconds_left == 90.0


def test_one_run_under_two_labels_ends_twice():
    clock = SuiteClock("s", 2, [job("a"), job("a")], 1, clock=Timer())
    assert clock.finish("a").done == 1
    assert clock.finish("a").done == 2
    assert clock.finish("a").done == 2  # what is not due changes nothing


@given(st.lists(st.one_of(st.none(), st.floats(0, 1e5)), max_size=8), st.integers(1, 5))
def test_counts_rise_to_all_and_nothing_is_left_in_the_end(expected, workers):
    timer = Timer()
    todo = [job(str(place), seconds) for place, seconds in enumerate(expected)]
    clock = SuiteClock("s", len(todo), todo, workers, here=False, clock=timer)
    counts = [clock.event().done]
    for entry in todo:
        timer.now += 1.0
        event = clock.finish(entry.run_id)
        counts.append(event.done)
        assert event.seconds_left is None or event.seconds_left >= 0
    assert counts == list(range(len(todo) + 1))
    assert not clock.event().seconds_left
