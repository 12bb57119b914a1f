"""Many requests at once, their results in order."""

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Event
from typing import TypeVar

from benchkit.lm.engines.retry import RequestCancelledError

A = TypeVar("A")
B = TypeVar("B")

ITEMS_AHEAD_PER_WORKER = 4  # items taken before their results are wanted


def map_ordered(
    function: Callable[[A, Event], B], items: Iterable[A], workers: int
) -> Generator[B, None, None]:
    """Yield `function(item, stop)` of each item, computed in threads, in the order of `items`.

    `items` is consumed in the caller's thread, at most a few items per worker ahead. Once a call
    raises (or the caller stops iterating), `stop` is set, no further item is started, the calls
    under way are waited for, and the error is raised in place of the first missing result.
    """
    stop = Event()
    failures: list[BaseException] = []

    def call(item: A) -> B:
        if stop.is_set():
            raise RequestCancelledError
        try:
            return function(item, stop)
        except RequestCancelledError:
            raise
        except BaseException as error:
            failures.append(error)
            stop.set()
            raise

    rest = iter(items)
    waiting: deque[Future[B]] = deque()
    pool = ThreadPoolExecutor(workers, thread_name_prefix="engine")
    try:
        while True:
            while not stop.is_set() and len(waiting) < ITEMS_AHEAD_PER_WORKER * workers:
                try:
                    waiting.append(pool.submit(call, next(rest)))
                except StopIteration:
                    break
            if not waiting:
                break
            try:
                result = waiting.popleft().result()
            except RequestCancelledError:
                break
            yield result
        pool.shutdown(wait=True)
        if failures:
            raise failures[0]
    finally:
        stop.set()
        pool.shutdown(wait=True, cancel_futures=True)
