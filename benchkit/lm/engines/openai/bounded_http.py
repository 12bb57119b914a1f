"""Bounds of one request: how long it takes, how long its answer is, and who is asked.

A server that drips, floods or points elsewhere is a fault of the server, and costs no more than
that. httpx has timeouts between bytes alone, no limit of size, and follows redirects anywhere.
"""

import time
from collections.abc import Callable
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any, TypeVar

_T = TypeVar("_T")

MAX_REPLY_BYTES = 64 * 2**20
_MOST_REDIRECTS = 5
_KEEPS_METHOD = (307, 308)  # the others turn a POST into a GET
# Of the answer as it was sent, not of the content that was read from it.
_HEADERS_OF_TRANSFER = {"content-encoding", "content-length", "transfer-encoding"}


class BoundError(Exception):
    """A request went beyond its bounds."""


class DeadlineError(BoundError):
    """The answer was not whole in time."""


class ReplyTooLongError(BoundError):
    """The answer has more bytes than any answer needs."""


class RedirectError(BoundError):
    """The server sends to another address, which is not asked: `location`."""

    def __init__(self, location: str) -> None:
        super().__init__(f"a redirect to {location}")
        self.location = location


def call_within(seconds: float, function: Callable[[], _T]) -> _T:
    """Return what a function returns, or raises.

    The function runs in a thread of its own: no timeout of a socket bounds the time in which a name
    is looked up, or headers come byte by byte. A thread that is late ends with its connection.

    Raises:
        DeadlineError: It takes longer.
    """
    results: SimpleQueue[tuple[Any, BaseException | None]] = SimpleQueue()

    def work() -> None:
        try:
            results.put((function(), None))
        except BaseException as error:
            results.put((None, error))

    Thread(target=work, daemon=True).start()
    try:
        value, error = results.get(timeout=seconds)
    except Empty:
        raise DeadlineError from None
    if error is not None:
        raise error
    result: _T = value
    return result


def make_http_client(deadline_s: float, max_bytes: int = MAX_REPLY_BYTES) -> Any:
    """Return the client of the openai package, with bounds.

    Args:
        deadline_s: Seconds for a request, from its begin to the last byte of the answer.
        max_bytes: Of an answer, unpacked.
    """
    import openai

    class BoundedHttpClient(openai.DefaultHttpxClient):
        def send(self, request: Any, *, stream: bool = False, **options: Any) -> Any:  # noqa: ARG002
            """Return the whole answer; follow redirects within the server alone."""
            options["follow_redirects"] = False
            deadline = time.monotonic() + deadline_s
            for _ in range(_MOST_REDIRECTS):
                response = super().send(request, stream=True, **options)
                try:
                    content = _read_body(response, deadline, max_bytes)
                finally:
                    response.close()
                if not response.has_redirect_location:
                    return _copy_response(response, content)
                request = self._redirect(request, response)
            raise RedirectError(str(request.url))

        def _redirect(self, request: Any, response: Any) -> Any:
            """Return the request to the place that a server names, if that is the server itself."""
            location = request.url.join(response.headers["location"])
            if response.status_code not in _KEEPS_METHOD or not _is_same(request.url, location):
                raise RedirectError(str(location))
            return self.build_request(
                request.method, location, content=request.read(),
                headers={n: v for n, v in request.headers.items() if n.lower() != "host"},
                extensions=request.extensions,
            )  # fmt: skip

    return BoundedHttpClient()


def _read_body(response: Any, deadline: float, max_bytes: int) -> bytes:
    content = bytearray()
    for chunk in response.iter_bytes():
        content += chunk
        if len(content) > max_bytes:
            raise ReplyTooLongError(f"more than {max_bytes:,} bytes")
        if time.monotonic() > deadline:
            raise DeadlineError
    return bytes(content)


def _copy_response(response: Any, content: bytes) -> Any:
    headers = [
        (name, value)
        for name, value in response.headers.multi_items()
        if name.lower() not in _HEADERS_OF_TRANSFER
    ]
    return type(response)(
        response.status_code, headers=headers, content=content, request=response.request
    )


def _is_same(url: Any, other: Any) -> bool:
    """Return whether a key that was sent to one address may be sent to the other, too."""
    if url.host != other.host:
        return False
    upgrade = (url.scheme, other.scheme) == ("http", "https") and url.port == other.port is None
    return upgrade or (url.scheme, url.port) == (other.scheme, other.port)
