"""Retries: exponential backoff with full jitter, and the server's own `Retry-After`.

Full jitter (a uniform draw below the bound) keeps many workers from returning at once; see Brooker,
"Exponential Backoff and Jitter", AWS Architecture Blog, 2015. The schedule is tenacity's; here are
the errors, a generator of random numbers apart from the global one, which belongs to the methods,
and the header, which tenacity does not read.
"""

import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from threading import Event
from typing import TypeVar

from tenacity import RetryCallState, Retrying, retry_if_exception_type, wait_exponential

from benchkit.lm.engines.requests import UnusableReplyError

_T = TypeVar("_T")


class TransientError(Exception):
    """The request did not come through; the next one may.

    Args:
        cause: What went wrong.
        retry_after_s: Seconds that the server asks to wait.
        billed: Whether it may have been answered, and charged, all the same.
    """

    def __init__(
        self, cause: str, retry_after_s: float | None = None, billed: bool = False
    ) -> None:
        super().__init__(cause)
        self.retry_after_s = retry_after_s
        self.billed = billed


class RequestCancelledError(Exception):
    """Nothing more is to be asked, because another request has failed for good."""


@dataclass(frozen=True)
class Backoff:
    """When to ask again, and how often."""

    retries: int = 6
    """Attempts after the first one."""
    first_s: float = 0.5
    """Bound of the first wait; it doubles with each attempt."""
    cap_s: float = 60.0
    """The largest bound."""
    patience_s: float = 600.0
    """A server that asks to wait longer than this is not waited for."""
    sleep: Callable[[float], object] | None = None
    """Takes seconds; None waits until `stop` is set, at most."""
    now: Callable[[], float] = time.time
    """Gives Unix time, for a `Retry-After` that is a date."""
    uniform: Callable[[float, float], float] = field(
        default_factory=lambda: random.Random().uniform
    )

    def call(self, attempt: Callable[[], _T], stop: Event | None = None) -> _T:
        """Return what `attempt` returns, once it does.

        Raises:
            TransientError: The last attempt did not come through.
            UnusableReplyError: The last attempt brought nothing usable.
            RequestCancelledError: `stop` was set before the next attempt.
        """
        stop = stop or Event()

        def cancel(_: RetryCallState) -> None:
            if stop.is_set():
                raise RequestCancelledError

        def sleep(seconds: float) -> None:
            (self.sleep or stop.wait)(seconds)

        retrying = Retrying(
            retry=retry_if_exception_type((TransientError, UnusableReplyError)),
            stop=self._gives_up,
            wait=self._wait_s,
            sleep=sleep,
            before=cancel,
            reraise=True,
        )
        return retrying(attempt)

    def _wait_s(self, state: RetryCallState) -> float:
        """Return the seconds to wait, never fewer than the server asks for."""
        retry_after_s = _retry_after_s(state)
        if retry_after_s is not None:
            return retry_after_s + self.uniform(0.0, self.first_s)
        return self.uniform(0.0, wait_exponential(self.first_s, self.cap_s)(state))

    def _gives_up(self, state: RetryCallState) -> bool:
        return (
            state.attempt_number > self.retries or (_retry_after_s(state) or 0.0) > self.patience_s
        )


def _retry_after_s(state: RetryCallState) -> float | None:
    error = state.outcome.exception() if state.outcome else None
    return error.retry_after_s if isinstance(error, TransientError) else None


def parse_retry_after(headers: Mapping[str, str], now: float) -> float | None:
    """Return the seconds that a server asks to wait, None when it names none that can be read.

    They stand in `retry-after-ms`, else in `Retry-After` as seconds or as an HTTP date.

    Reference: RFC 9110, section 10.2.3.
    """
    for name, unit in (("retry-after-ms", 1e-3), ("retry-after", 1.0)):
        try:
            seconds = float(headers[name]) * unit
        except (KeyError, ValueError):
            continue
        if 0 <= seconds < float("inf"):
            return seconds
    try:
        return max(0.0, parsedate_to_datetime(headers["retry-after"]).timestamp() - now)
    except (KeyError, TypeError, ValueError, OverflowError):
        return None
