"""Asking again: exponential backoff with full jitter, and the server's own `Retry-After`.

Full jitter (a uniform draw below the bound) is what keeps many workers from returning at once;
see Brooker, "Exponential Backoff and Jitter", AWS Architecture Blog, 2015.
"""

import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from threading import Event
from typing import TypeVar

_T = TypeVar("_T")


class TransientError(Exception):
    """The request did not come through; the next one may.

    retry_after_s: seconds that the server asks to wait. billed: whether it may have been answered, and
    charged, all the same.
    """

    def __init__(
        self, cause: str, retry_after_s: float | None = None, billed: bool = False
    ) -> None:
        super().__init__(cause)
        self.retry_after_s = retry_after_s
        self.billed = billed


class UnusableReplyError(Exception):
    """The server answered, but not with what was asked for."""


class RequestCancelledError(Exception):
    """Nothing more is to be asked, because another request has failed for good."""


@dataclass(frozen=True)
class Backoff:
    """When to ask again, and how often.

    retries: after the first attempt. first_s, cap_s: the bound of the wait is `first_s` doubled
    with each attempt, at most `cap_s`. patience_s: a server that asks to wait longer than this is
    not waited for. sleep: takes seconds; None waits, but no longer than until `stop` is set.
    now: Unix time.
    """

    retries: int = 6
    first_s: float = 0.5
    cap_s: float = 60.0
    patience_s: float = 600.0
    sleep: Callable[[float], object] | None = None
    now: Callable[[], float] = time.time
    uniform: Callable[[float, float], float] = field(
        default_factory=lambda: random.Random().uniform
    )

    def wait_s(self, attempt: int, after: float | None = None) -> float:
        """Seconds to wait after attempt 0, 1, ...; never less than the server asks for."""
        # The exponent is bounded only so that no float overflows.
        bound = min(self.cap_s, self.first_s * 2.0 ** min(attempt, 60))
        return (after or 0.0) + self.uniform(0.0, bound if after is None else self.first_s)

    def call(self, attempt: Callable[[], _T], stop: Event | None = None) -> _T:
        """What `attempt` returns, once it does.

        Raises the last TransientError or UnusableError when there is no attempt left, and
        CancelledError when `stop` is set before the next one.
        """
        for count in range(self.retries + 1):
            if stop is not None and stop.is_set():
                raise RequestCancelledError
            try:
                return attempt()
            except (TransientError, UnusableReplyError) as error:
                after = getattr(error, "retry_after_s", None)
                if count == self.retries or (after is not None and after > self.patience_s):
                    raise
            (self.sleep or (stop or Event()).wait)(self.wait_s(count, after))
        raise AssertionError("unreachable: the last attempt returns or raises")


def parse_retry_after(headers: Mapping[str, str], now: float) -> float | None:
    """Seconds that a server asks to wait: `retry-after-ms`, else `Retry-After` as seconds or as an
    HTTP date (RFC 9110, section 10.2.3); None when it does not say so in a readable way."""
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
