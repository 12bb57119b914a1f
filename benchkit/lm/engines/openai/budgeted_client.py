"""Requests to a server: none is repeated, paid for beyond the budget, or lost."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Lock, Semaphore
from types import MappingProxyType
from typing import Any

from benchkit.errors import EngineError
from benchkit.lm.engines.budget import Budget, TokenUsage
from benchkit.lm.engines.openai.batches.runner import BatchRunner
from benchkit.lm.engines.openai.client import OpenAIClient
from benchkit.lm.engines.openai.config import Endpoint, OpenAIConfig
from benchkit.lm.engines.openai.replies import ReplyReader, build_answer, read_usage
from benchkit.lm.engines.requests import UnusableReplyError
from benchkit.lm.engines.retry import Backoff, RequestCancelledError, TransientError
from benchkit.lm.generation_cache import GenerationCache, answer_key

_NOTHING: Mapping[str, Any] = MappingProxyType({})


class BudgetedClient:
    """One server with a cache of its answers, a budget and retries. Safe for threads."""

    def __init__(self, config: OpenAIConfig, cache_dir: Path, backoff: Backoff) -> None:
        self.budget = Budget(
            config.max_tokens_total,
            config.max_cost,
            config.price_prompt * config.price_share,
            config.price_completion * config.price_share,
        )
        self._config = config
        self._backoff = backoff
        self._client = OpenAIClient(
            config.base_url,
            config.model,
            config.api_key_env,
            config.timeout_s,
            config.request_deadline_s,
        )
        self._cache = GenerationCache(cache_dir)
        self.batches = BatchRunner(config, self._cache, self.budget, backoff, cache_dir)
        self._lock = Lock()
        self._slots = Semaphore(config.concurrency)
        # Requests under way: a lock each, and how many threads use it.
        self._running: dict[str, tuple[Lock, list[None]]] = {}

    def ask(
        self,
        endpoint: Endpoint,
        body: dict[str, Any],
        seed: int | None,
        read: ReplyReader,
        max_usage: TokenUsage,
        stop: Event,
        reading: Mapping[str, Any] = _NOTHING,
    ) -> dict[str, Any]:
        """Return what `read` makes of the answer (a JSON object), with its `usage`.

        Args:
            endpoint: Where the request goes.
            body: Body of the request.
            seed: Seed of the samples, also where the server does not take one.
            read: Turns the server's JSON into the answer to store; raises UnusableReplyError.
            max_usage: The most that the request may cost.
            stop: Set once nothing more is to be asked.
            reading: Whatever else the result of `read` depends on.

        Raises:
            UnusableReplyError: The answers stay unusable.
            RejectedRequestError: The server does not take this request.
            EngineError: The server cannot be reached, or the budget is spent.
            RequestCancelledError: `stop` was set.
        """
        key = self.key(endpoint, body, seed, reading)
        with self.exclusive(key):
            if (stored := self.stored_answer(key)) is not None:
                return stored
            answer = self.send(endpoint, body, read, max_usage, stop)
            return self._cache.put(key, answer)

    def send(
        self,
        endpoint: Endpoint,
        body: dict[str, Any],
        read: ReplyReader,
        max_usage: TokenUsage,
        stop: Event,
    ) -> dict[str, Any]:
        """Do as `ask`, without the cache."""

        def request() -> dict[str, Any]:
            with self._slots:  # several threads may ask for one prompt
                return self._request(endpoint, body, read, max_usage, stop)

        try:
            return self._backoff.call(request, stop)
        except TransientError as error:
            raise EngineError(
                f"{self._config.base_url} could not be asked: {error}",
                "see that the server is up, then run again: what was answered is cached",
            ) from None

    def store(
        self, endpoint: Endpoint, body: dict[str, Any], reading: Mapping[str, Any], answer: Any
    ) -> dict[str, Any]:
        """Store what `ask` would return, where several requests have brought it; return it."""
        return self._cache.put(self.key(endpoint, body, None, reading), answer)

    def lookup(
        self,
        endpoint: Endpoint,
        body: dict[str, Any],
        seed: int | None,
        reading: Mapping[str, Any] = _NOTHING,
    ) -> dict[str, Any] | None:
        """Return what `ask` would return from the cache, None where it would ask the server."""
        return self.stored_answer(self.key(endpoint, body, seed, reading))

    @property
    def takes_one_at_a_time(self) -> bool:
        """Whether the server is known to refuse more than one answer a request (`n`)."""
        return self._cache.get(self._ability_key) is not None

    def remember_one_at_a_time(self) -> None:
        """Store that the server refuses `n` above 1, also for later runs."""
        self._cache.put(self._ability_key, {"max_n": 1})

    def close(self) -> None:
        """Close the cache's file and the connections; they are opened again when needed."""
        self._client.close()
        self.batches.close()
        self._cache.close()

    def key(
        self, endpoint: Endpoint, body: dict[str, Any], seed: int | None, reading: Mapping[str, Any]
    ) -> str:
        """Return the key of an answer in the cache; the same for live calls and for batches."""
        return answer_key(
            **self._server,
            endpoint=endpoint,
            body=body,
            seed=seed,
            samples=body.get("n", 1),
            reading=dict(reading),
        )

    @property
    def _server(self) -> dict[str, str | None]:
        """What tells one served model from another."""
        config = self._config
        address = config.base_url.rstrip("/")
        return {"server": address, "model": config.model, "revision": config.model_revision}

    @property
    def _ability_key(self) -> str:
        return answer_key(**self._server, endpoint=self._config.endpoint, ability="n")

    def stored_answer(self, key: str, is_cached: bool = True) -> dict[str, Any] | None:
        """Return the answer under a key, marked in its usage as cached or as new."""
        answer = self._cache.get(key)
        return answer and answer | {"usage": answer["usage"] | {"cached": int(is_cached)}}

    def _request(
        self,
        endpoint: Endpoint,
        body: dict[str, Any],
        read: ReplyReader,
        max_usage: TokenUsage,
        stop: Event,
    ) -> dict[str, Any]:
        """Send one request, within the budget."""
        number = self.budget.reserve(max_usage)
        spent: TokenUsage | None = TokenUsage()
        try:
            if stop.is_set():  # while it was waiting for the budget
                raise RequestCancelledError
            reply = self._client.post(endpoint, body, self._backoff.now())
            spent = read_usage(reply)
            return build_answer(reply, read, max_usage)
        except UnusableReplyError as error:
            # Some servers repeat the key.
            raise UnusableReplyError(self._client.redact(str(error))) from None
        except TransientError as error:
            spent = None if error.billed else TokenUsage()
            raise
        finally:
            self.budget.settle(number, spent)

    @contextmanager
    def exclusive(self, key: str) -> Iterator[None]:
        """Let one thread at a time handle a key: the second finds the answer in the cache.

        The key of a prompt may be held while those of its requests are taken, not the reverse.
        """
        with self._lock:
            lock, users = self._running.setdefault(key, (Lock(), []))
            users.append(None)
        try:
            with lock:
                yield
        finally:
            with self._lock:
                users.pop()
                if not users:
                    del self._running[key]
