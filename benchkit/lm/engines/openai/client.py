"""One request to a server by the openai package, with errors that say what to do."""

import json
from collections.abc import Callable, Mapping
from functools import cached_property
from threading import Lock
from types import MappingProxyType, SimpleNamespace
from typing import Any

from benchkit.errors import BenchkitError, ConfigError, EngineError
from benchkit.key_access import OPENAI_KEY, read_api_key
from benchkit.lm.engines.openai import error_status
from benchkit.lm.engines.openai.bounded_http import (
    MAX_REPLY_BYTES,
    BoundError,
    DeadlineError,
    RedirectError,
    call_within,
    make_http_client,
)
from benchkit.lm.engines.openai.config import Endpoint
from benchkit.lm.engines.requests import RejectedRequestError
from benchkit.lm.engines.retry import TransientError, parse_retry_after

_HIDDEN = "[key]"
_RETRIED = {408, 409, 425, 429}
_REJECTED = {400, 413, 422}  # of one request, maybe not of the next
_FILTERED = {"content_filter", "content_policy_violation"}
_MISSING = {404, 405, 501}
_NO_BODY: Mapping[str, Any] = MappingProxyType({})


class FilteredError(Exception):
    """The server's filter rejects the prompt."""


class OpenAIClient:
    """A server at `base_url`; the caller retries.

    The key is read from the environment when it is first needed, goes only where the user allows it
    (`benchkit.key_access`), and appears in no message.
    """

    def __init__(
        self,
        base_url: str,
        model: str,
        key_env: str,
        timeout_s: float,
        deadline_s: float | None = None,
        max_reply_bytes: int = MAX_REPLY_BYTES,
    ) -> None:
        self._base_url = base_url
        self._model = model
        self._key_env = key_env
        self._timeout_s = timeout_s
        self._deadline_s = deadline_s or 4 * timeout_s
        self._max_reply_bytes = max_reply_bytes
        self._lock = Lock()

    def __repr__(self) -> str:
        return f"OpenAIClient({self._base_url!r}, {self._model!r})"

    def post(self, endpoint: Endpoint, body: dict[str, Any], now: float) -> Any:
        """Return the JSON with which the server answers.

        A prompt that the server's filter rejects is answered, too: by choices that end with
        `content_filter`.

        Args:
            endpoint: Where the request goes.
            body: Body of the request.
            now: Unix time, for a `Retry-After` that is a date.

        Raises:
            TransientError: Asking again may help.
            EngineError: The server cannot be used, e.g. for lack of credit or a wrong key.
            ConfigError: No request can be right: an unknown model, or a field that it refuses.
            RejectedRequestError: This request is wrong, e.g. its prompt too long.
        """
        try:
            return self.parse_json(
                self.call(lambda client: _send(client, endpoint, body), now, body)
            )
        except FilteredError:
            return filtered_reply(body)

    def call(
        self,
        send: Callable[[Any], Any],
        now: float,
        body: Mapping[str, Any] = _NO_BODY,
        missing: BenchkitError | None = None,
    ) -> bytes:
        """Return what the server answers to a call of the openai package.

        Args:
            send: Takes the package's client and returns its raw response.
            now: Unix time, for a `Retry-After` that is a date.
            body: What is sent, to find the field that the server refuses.
            missing: Raised where the server has no such address.

        Raises:
            FilteredError: The server's filter rejects the prompt.
            Others: As `post`.
        """
        with self._lock:
            client = self._openai
        import openai

        # Errors are raised outside the handlers, so that none carries a request with its headers.
        problem: Exception
        try:
            reply = call_within(self._deadline_s, lambda: send(client))
        except BoundError as error:
            problem = self._error_for_bound(error)
        except openai.APITimeoutError:
            problem = TransientError(f"no answer within {self._timeout_s:g} s", billed=True)
        except openai.APIConnectionError as error:
            if isinstance(error.__cause__, BoundError):  # so in older versions of the package
                problem = self._error_for_bound(error.__cause__)
            else:
                cause = self.redact(f"{type(error.__cause__).__name__}: {error.__cause__}")
                # No connection was made, so nothing was asked; else the answer was cut off.
                billed = "ConnectError" not in cause
                problem = TransientError(f"no connection ({cause})", billed=billed)
        except openai.APIStatusError as error:
            is_missing = missing is not None and error.status_code in _MISSING
            problem = missing if is_missing else self._error_for_status(error, body, now)  # type: ignore[assignment]
        else:
            content: bytes = reply.http_response.content
            return content
        raise problem

    def parse_json(self, content: bytes) -> Any:
        """Return the JSON of an answer. Raises TransientError if it is none."""
        try:
            return json.loads(content)
        except ValueError:
            what = error_status.describe_no_json(content, self.redact)
            problem = f"an answer that is not JSON: {what}"
        except RecursionError:
            problem = "an answer whose JSON is nested too deeply"
        raise TransientError(problem, billed=True)

    def error_for_line(self, status: int, reply: Any, body: Mapping[str, Any]) -> Exception:
        """Return the error for a request of a batch that ended with a status; see `call`.

        Args:
            status: The status that is not 200.
            reply: What the server answered to this request.
            body: What was sent.
        """
        details = reply.get("error", reply) if isinstance(reply, dict) else reply
        error = SimpleNamespace(
            status_code=status,
            message=f"Error code: {status} - {json.dumps(reply)}",
            body=details,
            response=SimpleNamespace(text=json.dumps(reply), headers={}),
        )
        return self._error_for_status(error, body, 0.0)

    def close(self) -> None:
        """Close the connections; they are opened again when they are needed."""
        with self._lock:
            if client := self.__dict__.pop("_openai", None):
                client.close()

    @cached_property
    def _openai(self) -> Any:
        try:
            import openai
        except ImportError as error:
            raise EngineError(
                "the openai package is missing", "pip install 'benchkit[openai]'"
            ) from error
        key = self._key()
        if not key and "api.openai.com" in self._base_url:
            raise ConfigError(
                f"{self._base_url} needs a key", f"set the environment variable {self._key_env}"
            )
        if not (key.isascii() and key.isprintable()):
            raise ConfigError(
                "the key has characters that no HTTP header may have",
                f"set the environment variable {self._key_env} to the key alone",
            )
        client = openai.OpenAI(
            api_key=key or "none",  # local servers need none, the package does
            base_url=self._base_url,
            timeout=self._timeout_s,
            max_retries=0,
            http_client=make_http_client(self._deadline_s, self._max_reply_bytes),
        )
        if not key or self._key_env != OPENAI_KEY:  # nothing else of OpenAI's account, either
            client.organization = client.project = None
            client._custom_headers = {}
        return client

    def _error_for_bound(self, error: BoundError) -> Exception:
        """Return the error to raise for a request that went beyond its bounds."""
        if isinstance(error, RedirectError):
            location = self.redact(error.location)
            return ConfigError(
                f"{self._base_url} redirects to {location}, which is not followed: it would get the"
                " key and the prompts",
                "if you trust that address, set base_url to it",
            )
        if isinstance(error, DeadlineError):
            return TransientError(f"no whole answer within {self._deadline_s:g} s", billed=True)
        return TransientError(f"an answer that is too long ({error})", billed=True)

    def _error_for_status(self, error: Any, body: Mapping[str, Any], now: float) -> Exception:
        """Return the error to raise for a status that is not 200."""
        status, code = error.status_code, _code(error)
        if status == 400 and code in _FILTERED:
            return FilteredError()
        answer = f"HTTP {status}: {self.redact(error_status.read_message(error))}"
        if code == "insufficient_quota":
            return EngineError(
                f"{self._base_url} says that the account is used up ({answer})",
                "add credit and run again: what was answered is cached",
            )
        if status in _RETRIED or status >= 500:
            return TransientError(answer, parse_retry_after(error.response.headers, now))
        if "sampling_params" in body:  # an endpoint that a server need not have
            return RejectedRequestError(answer)
        if status in _REJECTED:
            field = error_status.find_field(error, body)
            if field is None:
                return RejectedRequestError(f"it does not take the request ({answer})")
            return ConfigError(
                f"{self._base_url} does not take {field!r} for {self._model!r} ({answer})",
                error_status.advise(field),
            )
        kind: type[BenchkitError] = ConfigError
        if status in (401, 403):
            kind = EngineError
            cause = f"{self._base_url} does not accept the key"
            hint = f"set the environment variable {self._key_env} to a key for {self._model!r}"
        elif status == 404:
            cause = f"{self._base_url} has no model {self._model!r}, or is no such server"
            hint = f"check model and base_url; {self._base_url.rstrip('/')}/models lists its models"
        else:
            cause = f"{self._base_url} does not take this request for {self._model!r}"
            hint = "check base_url, and what the server can do"
        return kind(f"{cause} ({answer})", hint)

    def _key(self) -> str:
        return read_api_key(self._key_env, self._base_url)

    def redact(self, text: str) -> str:
        """Return a server's words, cut, without the key that some of them repeat."""
        key = self._key()
        return (text.replace(key, _HIDDEN) if key else text)[:300]


def filtered_reply(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return what stands for the answer to a request whose prompt the filter rejects."""
    return {"choices": [{"finish_reason": "content_filter"}] * body.get("n", 1)}


def _send(client: Any, endpoint: Endpoint, body: dict[str, Any]) -> Any:
    """Return the raw response of the server."""
    if endpoint == "inference/v1/generate":  # vLLM's own, which lies beside `/v1`
        url = str(client.base_url).rstrip("/").removesuffix("/v1") + f"/{endpoint}"
        # As the package's own with_raw_response does, which there is for its own endpoints alone.
        options: dict[str, Any] = {"headers": {"X-Stainless-Raw-Response": "true"}}
        return client.post(url, body=body, cast_to=object, options=options)
    create: Any = client.completions if endpoint == "completions" else client.chat.completions
    text_field = "prompt" if endpoint == "completions" else "messages"
    named = {name: body[name] for name in ("model", text_field)}
    rest = {name: value for name, value in body.items() if name not in named}
    return create.with_raw_response.create(**named, extra_body=rest)


def _code(error: Any) -> str | None:
    """Return OpenAI's name for an error, where it has one."""
    body = error.body if isinstance(error.body, dict) else {}
    inner = body.get("innererror")
    code = body.get("code") or (inner.get("code") if isinstance(inner, dict) else None)
    return str(code) if code else None
