"""Log-probabilities of continuations from `vllm serve`, with each prompt computed once.

There are three ways, of which the first that a server takes is used:

- `passages`: a request a continuation to vLLM's own `/inference/v1/generate`, which can be told to
  read the prefix cache; the server needs `--enable-scale-out`. Its second model runner (that on
  GPUs) returns exactly the log-probabilities that are asked for.
- `rows`: the same for its first model runner, which returns a row for each token, those of cached
  tokens uninitialised. Hence the server must say how many there were: it needs
  `--enable-prompt-tokens-details`, too.
- `tokens`: `/v1/completions` for each token of the continuations, which any server of a recent
  vLLM takes. Each request computes the tokens behind the last whole block of the cache anew.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, wait
from dataclasses import dataclass, field
from threading import Event, Lock
from typing import Any, Literal, get_args

from benchkit.lm.engines.budget import TokenUsage
from benchkit.lm.engines.openai.bodies import build_next_tokens_body
from benchkit.lm.engines.openai.budgeted_client import BudgetedClient
from benchkit.lm.engines.openai.config import Endpoint, OpenAIConfig
from benchkit.lm.engines.openai.scoring_replies import (
    read_next_logprobs,
    read_rows_reply,
    read_token_scores,
)
from benchkit.lm.engines.requests import RejectedRequestError
from benchkit.lm.engines.shared_scoring import (
    MOST_TOKENS,
    ContinuationTable,
    NextTokens,
    Passage,
)

Way = Literal["passages", "rows", "tokens"]
WAYS: tuple[Way, ...] = get_args(Way)
_PROMPTS_AT_ONCE = 64  # of a request for single tokens


@dataclass
class PrefixScorer:
    """Scores the continuations of one prompt by one of the ways."""

    config: OpenAIConfig
    client: BudgetedClient
    way: Way
    before: Sequence[int]
    """Token ids of the prompt."""
    stop: Event
    passages_pool: Executor
    """Where passages are asked for, once the prompt is computed."""
    usage: Counter[str] = field(default_factory=Counter)
    """What the requests took."""
    _lock: Lock = field(default_factory=Lock, init=False)

    def score(self, continuations: Sequence[Sequence[int]]) -> list[float]:
        """Return the log-probability of each continuation.

        Raises:
            UnusableReplyError: The server does not give them.
            RejectedRequestError: It does not take the request.
            EngineError: It cannot be asked.
            ConfigError: It does not know what is asked for.
        """
        table = ContinuationTable(continuations)
        if self.way != "tokens":
            plan = table.plan()
            for request in plan:
                if isinstance(request, NextTokens):
                    self._add_next(table, [request])
            self._add_passages(table, [r for r in plan if isinstance(r, Passage)])
        for requests in _batches(table.plan_missing()):
            self._add_next(table, requests)
        return table.sums()

    def _add_next(self, table: ContinuationTable, requests: Sequence[NextTokens]) -> None:
        tokens = list(dict.fromkeys(token for request in requests for token in request.tokens))
        prompts = [[*self.before, *request.prefix] for request in requests]
        body = build_next_tokens_body(self.config, prompts, tokens)

        def read(reply: Any) -> dict[str, Any]:
            return {"logprobs": read_next_logprobs(reply, len(prompts))}

        answer = self._send("completions", body, read, prompts)
        for request, logprobs in zip(requests, answer["logprobs"], strict=True):
            table.add_next(request, logprobs)

    def _add_passages(self, table: ContinuationTable, requests: Sequence[Passage]) -> None:
        """Ask for passages at once: the server computes in one step what comes together.

        One after another, most of the time would go in waiting, not in computing.
        """
        futures = [self.passages_pool.submit(self._ask_passage, r) for r in requests]
        try:
            for request, future in zip(requests, futures, strict=True):
                if (logprobs := future.result()) is not None:
                    table.add_passage(request, logprobs)
        finally:
            for future in futures:
                future.cancel()
            wait(futures)

    def _ask_passage(self, request: Passage) -> Sequence[object] | None:
        """Return the log-probabilities of a passage, None where the cache had some of them."""
        ids = [*self.before, *request.ids]
        first = len(self.before) + request.start
        sampling: dict[str, Any] = {"max_tokens": 1, "temperature": 0, "detokenize": False}
        sampling |= {"skip_reading_prefix_cache": False}
        if self.way == "passages":
            sampling["prompt_logprob_token_ids"] = [[token] for token in ids[first:]]
            sampling["prompt_logprob_start"] = first - 1  # the row that predicts the first
        else:
            sampling["prompt_logprobs"] = 0
        body = {"model": self.config.model, "token_ids": ids, "sampling_params": sampling}

        def read(reply: Any) -> dict[str, Any]:
            if self.way == "passages":
                return {"logprobs": read_token_scores(reply, len(ids) - first)}
            return {"logprobs": read_rows_reply(reply, ids, first)}

        try:
            answer = self._send("inference/v1/generate", body, read, [ids])
        except RejectedRequestError as error:
            # What is in memory instead of a cached token's row may be no number: "Out of range
            # float values are not JSON compliant".
            if self.way == "rows" and "JSON" in str(error):
                return None
            raise
        logprobs: Sequence[object] | None = answer["logprobs"]
        return logprobs

    def _send(
        self,
        endpoint: Endpoint,
        body: dict[str, Any],
        read: Callable[[Any], dict[str, Any]],
        prompts: Sequence[Sequence[int]],
    ) -> dict[str, Any]:
        most = TokenUsage(sum(map(len, prompts)), len(prompts))
        answer = self.client.send(endpoint, body, read, most, self.stop)
        with self._lock:
            self.usage.update(answer["usage"])
        return answer


def _batches(requests: Sequence[NextTokens]) -> Iterator[list[NextTokens]]:
    """Yield requests that can be sent as one: not too many prompts, nor tokens."""
    batch: list[NextTokens] = []
    tokens: set[int] = set()
    for request in requests:
        union = tokens | set(request.tokens)
        if batch and (len(union) > MOST_TOKENS or len(batch) == _PROMPTS_AT_ONCE):
            yield batch
            batch, union = [], set(request.tokens)
        batch.append(request)
        tokens = union
    if batch:
        yield batch
