"""The parts below the openai engine: cache, backoff, budget, and the ordered pool."""

import multiprocessing
import threading
from concurrent.futures import ThreadPoolExecutor
from email.utils import formatdate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchkit.errors import EngineError, StoreError
from benchkit.lm.engines.budget import Budget, TokenUsage
from benchkit.lm.engines.ordered_map import ITEMS_AHEAD_PER_WORKER, map_ordered
from benchkit.lm.engines.request_cache import REQUEST_CACHE_FILE, RequestCache, request_key
from benchkit.lm.engines.retry import (
    Backoff,
    RequestCancelledError,
    TransientError,
    UnusableReplyError,
    parse_retry_after,
)

# The cache


def test_the_first_answer_stays(tmp_path):
    cache = RequestCache(tmp_path)
    assert cache.get("k") is None
    assert cache.put("k", {"a": 1.5}) == {"a": 1.5}
    assert cache.put("k", {"a": 2}) == {"a": 1.5}
    assert cache.get("k") == {"a": 1.5}
    assert len(cache) == 1


def test_answers_outlive_the_object_and_odd_text_comes_back(tmp_path):
    first = RequestCache(tmp_path)
    first.put("k", {"text": "né\x00 \U0001f600 \ufffd"})
    first.close()
    assert RequestCache(tmp_path).get("k") == {"text": "né\x00 \U0001f600 \ufffd"}


def test_keys_depend_on_everything_but_the_order_of_names():
    parts = {"model": "m", "revision": None, "endpoint": "e", "body": {"a": 1, "b": [2]}, "seed": 1}
    key = request_key(**parts, samples=1)
    assert key == request_key(samples=1, **(parts | {"body": {"b": [2], "a": 1}}))
    changed = [{"model": "n"}, {"revision": "1"}, {"endpoint": "f"}, {"body": {"a": 1}}]
    changed += [{"seed": 2}, {"seed": None}, {"samples": 2}]
    keys = {request_key(**({**parts, "samples": 1} | change)) for change in changed}
    assert len(keys | {key}) == len(changed) + 1


def test_what_is_no_number_is_not_stored(tmp_path):
    with pytest.raises(ValueError, match="JSON"):
        RequestCache(tmp_path).put("k", {"logprob": float("nan")})


def test_a_damaged_file_is_named(tmp_path):
    (tmp_path / REQUEST_CACHE_FILE).write_bytes(b"not a database" * 100)
    with pytest.raises(StoreError, match=r"requests\.sqlite"):
        RequestCache(tmp_path)


def _fill(folder, name):
    cache = RequestCache(folder)
    for i in range(100):
        cache.put(f"k{i}", {"by": name, "i": i})


def test_several_processes_and_threads_agree(tmp_path):
    context = multiprocessing.get_context("fork")
    processes = [context.Process(target=_fill, args=(tmp_path, n)) for n in "ab"]
    for process in processes:
        process.start()
    cache = RequestCache(tmp_path)
    with ThreadPoolExecutor(4) as pool:
        own = list(
            pool.map(lambda i: cache.put(f"k{i % 100}", {"by": "c", "i": i % 100}), range(400))
        )
    for process in processes:
        process.join(60)
        assert process.exitcode == 0
    assert len(cache) == 100
    assert all(answer == cache.get(f"k{answer['i']}") for answer in own)


# Backoff


def test_waits_double_up_to_a_cap_and_are_drawn_from_zero():
    bounds = []
    backoff = Backoff(
        first_s=1, cap_s=10, uniform=lambda low, high: bounds.append((low, high)) or 0
    )
    for attempt in range(6):
        backoff.wait_s(attempt)
    assert bounds == [(0, 1), (0, 2), (0, 4), (0, 8), (0, 10), (0, 10)]


@given(st.integers(0, 10_000), st.none() | st.floats(0, 500))
def test_a_wait_is_bounded_and_never_shorter_than_asked(attempt, after):
    wait = Backoff(cap_s=60).wait_s(attempt, after)
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


# Budget


def test_reservations_are_replaced_by_what_was_spent():
    budget = Budget(max_tokens=100)
    number = budget.reserve(TokenUsage(60, 40))
    budget.settle(number, TokenUsage(10, 5))
    assert budget.spent == TokenUsage(10, 5)
    budget.settle(budget.reserve(TokenUsage(50, 35)))  # not known: all of it counts
    assert budget.spent == TokenUsage(60, 40)
    with pytest.raises(EngineError, match="60 prompt and 40 completion tokens"):
        budget.reserve(TokenUsage(1, 0))


def test_money():
    budget = Budget(max_cost=1.0, price_prompt=2.0, price_completion=10.0)
    budget.settle(budget.reserve(TokenUsage(100_000, 50_000)))
    assert budget.price(budget.spent) == pytest.approx(0.7)
    budget.settle(budget.reserve(TokenUsage(0, 30_000)), TokenUsage())
    with pytest.raises(EngineError, match=r"a cost of 1 is spent.*a cost of 0\.7"):
        budget.reserve(TokenUsage(0, 30_001))


def test_concurrent_requests_never_overshoot():
    budget = Budget(max_tokens=1000)
    done, refused = [], []

    def work(_):
        try:
            number = budget.reserve(TokenUsage(10, 90))
        except EngineError:
            refused.append(1)
        else:
            budget.settle(number, TokenUsage(10, 20))
            done.append(1)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(60)))
    # Waiting for others' reservations makes use of all but what one request might take.
    assert len(done) == 31
    assert budget.spent == TokenUsage(310, 620)
    assert len(refused) == 29


# The pool


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
