"""When a request is sent again, and after what wait."""

import random
import threading
from email.utils import formatdate

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tenacity import RetryCallState

from benchkit.lm.engines.requests import UnusableReplyError
from benchkit.lm.engines.retry import (
    Backoff,
    RequestCancelledError,
    TransientError,
    parse_retry_after,
)


def test_waits_double_up_to_a_cap_and_are_drawn_from_zero():
    bounds, waits = [], []

    def draw(low, high):
        bounds.append((low, high))
        return high / 2

    def attempt():
        raise TransientError("no")

    backoff = Backoff(retries=6, first_s=1, cap_s=10, uniform=draw, sleep=waits.append)
    with pytest.raises(TransientError):
        backoff.call(attempt)
    assert bounds[:6] == [(0, 1), (0, 2), (0, 4), (0, 8), (0, 10), (0, 10)]
    assert waits == [0.5, 1, 2, 4, 5, 5]


@given(st.integers(0, 10_000), st.none() | st.floats(0, 500))
def test_a_wait_is_bounded_and_never_shorter_than_asked(attempt, after):
    state = RetryCallState(None, None, (), {})
    state.attempt_number = attempt + 1
    state.set_exception((TransientError, TransientError("no", after), None))
    wait = Backoff(cap_s=60)._wait_s(state)
    assert (after or 0) <= wait <= (after or 0) + 60


def test_attempts_are_counted():
    waits, tried = [], []
    backoff = Backoff(retries=3, sleep=waits.append)

    def attempt():
        tried.append(1)
        raise TransientError("no")

    with pytest.raises(TransientError):
        backoff.call(attempt)
    assert (len(tried), len(waits)) == (4, 3)


def test_it_goes_on_after_transient_and_unusable_answers_only():
    faults = iter([TransientError("a"), UnusableReplyError("b"), None])

    def attempt():
        if fault := next(faults):
            raise fault
        return "got it"

    assert Backoff(sleep=lambda s: None).call(attempt) == "got it"

    def wrong():
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        Backoff(sleep=lambda s: pytest.fail("slept")).call(wrong)


def test_the_global_generator_is_left_alone():
    faults = iter([TransientError("a"), None])

    def attempt():
        if fault := next(faults):
            raise fault

    before = random.getstate()
    Backoff(sleep=lambda s: None).call(attempt)
    assert random.getstate() == before


def test_a_server_that_asks_for_too_much_patience_is_not_waited_for():
    def attempt():
        raise TransientError("later", retry_after_s=601)

    with pytest.raises(TransientError):
        Backoff(patience_s=600, sleep=lambda s: pytest.fail("slept")).call(attempt)


def test_a_stop_ends_the_waiting():
    stop = threading.Event()

    def attempt():
        stop.set()
        raise TransientError("no", retry_after_s=100)

    with pytest.raises(RequestCancelledError):
        Backoff().call(attempt, stop)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "7"}, 7),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after-ms": "1500", "retry-after": "9"}, 1.5),
        ({"retry-after": formatdate(1_000_030, usegmt=True)}, 30),
        ({"retry-after": formatdate(999_000, usegmt=True)}, 0),
        ({"retry-after": "-3"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "soon"}, None),
        ({}, None),
    ],
)
def test_retry_after(headers, seconds):
    assert parse_retry_after(headers, now=1_000_000) == seconds
