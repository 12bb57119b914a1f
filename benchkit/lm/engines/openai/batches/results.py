"""What a batch brought for each request: an answer for the cache, or what is to be done instead."""

from typing import Any

from benchkit.errors import BenchkitError, EngineError
from benchkit.lm.engines.budget import TokenUsage
from benchkit.lm.engines.openai.batches.batch_requests import BatchRequest, BatchWork, Failure
from benchkit.lm.engines.openai.batches.state import BatchLine
from benchkit.lm.engines.openai.client import FilteredError, OpenAIClient, filtered_reply
from benchkit.lm.engines.openai.config import OpenAIConfig
from benchkit.lm.engines.openai.replies import build_answer, read_cost
from benchkit.lm.engines.requests import RejectedRequestError, UnusableReplyError
from benchkit.lm.engines.retry import TransientError
from benchkit.lm.generation_cache import GenerationCache


class BatchResults:
    """Reads results as those of live calls are read, and stores them under the same keys."""

    def __init__(self, config: OpenAIConfig, cache: GenerationCache, client: OpenAIClient) -> None:
        self._config, self._cache, self._client = config, cache, client
        self.fresh: set[str] = set()
        """Keys of answers that a batch brought and nobody has used yet."""

    def take(
        self, request: BatchRequest, line: BatchLine | None, has_progress: bool, work: BatchWork
    ) -> tuple[TokenUsage, Exception | None]:
        """Store what became of one request. Return what it cost, and what ends the run.

        Args:
            request: The request.
            line: What the batch says of it; None where it says nothing.
            has_progress: Whether the batch answered any other. A request that was not carried out
                then, as the batch expired, has not failed.
            work: Takes what is left to be done.
        """
        key, spent = request.key, TokenUsage()
        try:
            reply = self._reply(request, line)
            if line is not None and line.status == 200:
                spent = read_cost(reply, request.max_usage)
            self._cache.put(key, build_answer(reply, request.read, request.max_usage))
            self.fresh.add(key)
            del work.todo[key]
        except RejectedRequestError as error:
            work.failures[key] = Failure(str(error), True)
            del work.todo[key]
        except UnusableReplyError as error:
            work.attempts[key] += 1
            if work.attempts[key] > self._config.max_retries:
                cause = self._client.redact(str(error))
                work.failures[key] = Failure(cause, False)
                del work.todo[key]
        except TransientError as error:
            was_sent = line is not None and line.status is not None
            work.attempts[key] += was_sent or not has_progress
            if work.attempts[key] > self._config.max_retries:
                return spent, EngineError(
                    f"{self._config.base_url} does not answer a request of a batch: {error}",
                    "run again: what was answered is cached",
                )
        except BenchkitError as error:
            return spent, error
        return spent, None

    def _reply(self, request: BatchRequest, line: BatchLine | None) -> Any:
        """Return the server's answer to a request; without one, raise as a live call does."""
        if line is None or line.status is None:
            raise TransientError(line.problem if line else "the batch has no line for it")
        if line.status == 200:
            return line.body
        error = self._client.error_for_line(line.status, line.body, request.body)
        if isinstance(error, FilteredError):
            return filtered_reply(request.body)
        raise error
