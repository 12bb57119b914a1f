"""Asking a server so that nothing is asked twice, paid beyond the budget, or lost."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Lock
from typing import Any

from benchkit.errors import EngineError
from benchkit.lm.engines.budget import Budget, TokenUsage
from benchkit.lm.engines.openai import replies
from benchkit.lm.engines.openai.client import Endpoint, OpenAIClient
from benchkit.lm.engines.openai.config import OpenAIConfig
from benchkit.lm.engines.request_cache import RequestCache, request_key
from benchkit.lm.engines.retry import Backoff, RequestCancelledError, TransientError

ReplyReader = Callable[[Any], dict[str, Any]]


class BudgetedClient:
    """One server with its cache, its budget and its patience. Safe for threads."""

    def __init__(self, config: OpenAIConfig, cache_dir: Path, backoff: Backoff) -> None:
        self.budget = Budget(
            config.max_tokens_total, config.max_cost, config.price_prompt, config.price_completion
        )
        self._config = config
        self._backoff = backoff
        self._client = OpenAIClient(
            config.base_url, config.model, config.api_key_env, config.timeout_s
        )
        self._cache_dir = cache_dir
        self._cache: RequestCache | None = None
        self._lock = Lock()
        # Requests under way: a lock each, and how many wait for it.
        self._running: dict[str, tuple[Lock, list[None]]] = {}

    def ask(
        self,
        endpoint: Endpoint,
        body: dict[str, Any],
        seed: int | None,
        read: ReplyReader,
        most: TokenUsage,
        stop: Event,
    ) -> dict[str, Any]:
        """What `read` makes of the answer (a JSON object), with its `usage`; from the cache if it
        is there.

        seed: what the samples are drawn by, also where the server is not told. most: what the
        request may cost. Raises UnusableError when the answers stay unusable, EngineError when the
        server cannot be asked or the budget is spent, CancelledError once `stop` is set.
        """
        key = request_key(
            model=self._config.model,
            revision=self._config.model_revision,
            endpoint=endpoint,
            body=body,
            seed=seed,
            samples=body.get("n", 1),
        )
        cache = self._opened()
        with self._alone(key):
            if (known := cache.get(key)) is not None:
                return known | {"usage": known["usage"] | {"cached": 1}}
            try:
                value = self._backoff.call(
                    lambda: self._once(endpoint, body, read, most, stop), stop
                )
            except TransientError as error:
                raise EngineError(
                    f"{self._config.base_url} could not be asked: {error}",
                    "see that the server is up, then run again: what was answered is cached",
                ) from None
            return cache.put(key, value)

    def close(self) -> None:
        """Let go of the cache's file and of the connections, until they are needed again."""
        self._client.close()
        with self._lock:
            if self._cache is not None:
                self._cache.close()
            self._cache = None

    def _once(
        self,
        endpoint: Endpoint,
        body: dict[str, Any],
        read: ReplyReader,
        most: TokenUsage,
        stop: Event,
    ) -> dict[str, Any]:
        """One request, paid for."""
        number = self.budget.reserve(most)
        spent: TokenUsage | None = TokenUsage()
        try:
            if stop.is_set():  # while it was waiting for the budget
                raise RequestCancelledError
            reply = self._client.post(endpoint, body, self._backoff.now())
            spent = replies.read_usage(reply)
            used = spent or most
            usage = {"prompt_tokens": used.prompt, "completion_tokens": used.completion}
            return read(reply) | {"usage": usage | {"requests": 1, "cached": 0}}
        except TransientError as error:
            spent = None if error.billed else TokenUsage()
            raise
        finally:
            self.budget.settle(number, spent)

    def _opened(self) -> RequestCache:
        with self._lock:
            if self._cache is None:
                self._cache = RequestCache(self._cache_dir)
            return self._cache

    @contextmanager
    def _alone(self, key: str) -> Iterator[None]:
        """One at a time for each key: whoever comes second finds the answer in the cache."""
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
