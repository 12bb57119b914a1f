"""Samples from the cache, and what of them is missing from batches."""

from collections.abc import Callable
from typing import Any, TypeVar

from benchkit.lm.engines.budget import TokenUsage
from benchkit.lm.engines.openai import replies
from benchkit.lm.engines.openai.batches.batch_requests import BatchRequest, Failure
from benchkit.lm.engines.openai.budgeted_client import BudgetedClient
from benchkit.lm.engines.openai.config import OpenAIConfig

_T = TypeVar("_T")
Answer = dict[str, Any] | str
# Body, seed and sample count of a request -> the answer, or why there is none.
Fetch = Callable[[dict[str, Any], int | None, int], Answer]


def samples_reader(config: OpenAIConfig, n: int) -> replies.ReplyReader:
    """Return what makes a stored answer of a reply with n samples, or the first of them."""
    return lambda reply: {"choices": replies.read_choices(reply, config, n)}


class BatchFetcher:
    """Collects which requests have no answer yet, and lets batches answer them."""

    def __init__(self, client: BudgetedClient, config: OpenAIConfig) -> None:
        self._client, self._config = client, config
        self._failures: dict[str, Failure] = {}
        self.missing: dict[str, BatchRequest] = {}

    def draw(self, draw: Callable[[Fetch], _T], size: int, max_tokens: int) -> _T | None:
        """Return what `draw` makes of stored answers; None where one is missing, which is noted.

        Args:
            draw: Fetches what it needs.
            size: Tokens of the prompt, at most.
            max_tokens: Tokens of a sample, at most.
        """
        lacking: list[str] = []
        fresh: list[str] = []

        def fetch(body: dict[str, Any], seed: int | None, n: int) -> Answer:
            key = self._client.key(self._config.endpoint, body, seed, self._config.reading)
            is_fresh = key in self._client.batches.fresh
            if (stored := self._client.stored_answer(key, is_cached=not is_fresh)) is not None:
                fresh.extend([key] * is_fresh)
                return stored
            failure = self._failures.get(key)
            if failure is None:
                usage = TokenUsage(size, n * max_tokens)
                reader = samples_reader(self._config, n)
                self.missing[key] = BatchRequest(key, body, reader, usage)
                lacking.append(key)
                return "not answered yet"
            if failure.rejected and n > 1:
                # Is it the prompt, or does the server refuse several answers at once?
                one = fetch(body | {"n": 1}, seed, 1)
                if not isinstance(one, str):
                    self._client.remember_one_at_a_time()
                return one
            return failure.cause

        result = draw(fetch)
        if lacking:
            return None
        self._client.batches.fresh.difference_update(fresh)
        return result

    def run(self) -> None:
        """Wait until each missing request has its answer in the cache, or its failure."""
        self._failures |= self._client.batches.run(list(self.missing.values()))
        self.missing.clear()

    def submit(self) -> None:
        """Send the missing requests, and do not wait for them."""
        self._client.batches.submit(list(self.missing.values()))
        self.missing.clear()
