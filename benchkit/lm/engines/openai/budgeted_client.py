"""Requests to a server: none is repeated, paid for beyond the budget, or lost."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Lock
from typing import Any

from benchkit.errors import EngineError
from benchkit.lm.engines.budget import Budget, TokenUsage
from benchkit.lm.engines.openai import replies
from benchkit.lm.engines.openai.client import OpenAIClient
from benchkit.lm.engines.openai.config import Endpoint, OpenAIConfig
from benchkit.lm.engines.retry import Backoff, RequestCancelledError, TransientError
from benchkit.lm.generation_cache import GenerationCache, answer_key

ReplyReader = Callable[[Any], dict[str, Any]]


class BudgetedClient:
    """One server with a cache of its answers, a budget and retries. Safe for threads."""

    def __init__(self, config: OpenAIConfig, cache_dir: Path, backoff: Backoff) -> None:
        self.budget = Budget(
            config.max_tokens_total, config.max_cost, config.price_prompt, config.price_completion
        )
        self._config = config
        self._backoff = backoff
        self._client = OpenAIClient(
            config.base_url, config.model, config.api_key_env, config.timeout_s
        )
        self._cache = GenerationCache(cache_dir)
        self._lock = Lock()
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
    ) -> dict[str, Any]:
        """Return what `read` makes of the answer (a JSON object), with its `usage`.

        Args:
            endpoint: Where the request goes.
            body: Body of the request.
            seed: Seed of the samples, also where the server does not take one.
            read: Turns the server's JSON into the answer to store; raises UnusableReplyError.
            max_usage: The most that the request may cost.
            stop: Set once nothing more is to be asked.

        Raises:
            UnusableReplyError: The answers stay unusable.
            EngineError: The server cannot be reached, or the budget is spent.
            RequestCancelledError: `stop` was set.
        """
        key = self._key(endpoint, body, seed)
        with self._exclusive(key):
            if (stored := self._stored(key)) is not None:
                return stored
            try:
                answer = self._backoff.call(
                    lambda: self._request(endpoint, body, read, max_usage, stop), stop
                )
            except TransientError as error:
                raise EngineError(
                    f"{self._config.base_url} could not be asked: {error}",
                    "see that the server is up, then run again: what was answered is cached",
                ) from None
            return self._cache.put(key, answer)

    def lookup(
        self, endpoint: Endpoint, body: dict[str, Any], seed: int | None
    ) -> dict[str, Any] | None:
        """Return what `ask` would return from the cache, None where it would ask the server."""
        return self._stored(self._key(endpoint, body, seed))

    def close(self) -> None:
        """Close the cache's file and the connections; they are opened again when needed."""
        self._client.close()
        self._cache.close()

    def _key(self, endpoint: Endpoint, body: dict[str, Any], seed: int | None) -> str:
        return answer_key(
            model=self._config.model,
            revision=self._config.model_revision,
            endpoint=endpoint,
            body=body,
            seed=seed,
            samples=body.get("n", 1),
        )

    def _stored(self, key: str) -> dict[str, Any] | None:
        answer = self._cache.get(key)
        return answer and answer | {"usage": answer["usage"] | {"cached": 1}}

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
            spent = replies.read_usage(reply)
            used = spent or max_usage
            usage = {"prompt_tokens": used.prompt, "completion_tokens": used.completion}
            return read(reply) | {"usage": usage | {"requests": 1, "cached": 0}}
        except TransientError as error:
            spent = None if error.billed else TokenUsage()
            raise
        finally:
            self.budget.settle(number, spent)

    @contextmanager
    def _exclusive(self, key: str) -> Iterator[None]:
        """Let one thread at a time handle a key: the second finds the answer in the cache."""
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
