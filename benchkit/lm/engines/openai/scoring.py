"""Log-probabilities of continuations from a server.

A continuation's log-probability is stored under the request that asks for it alone, however it was
obtained: a run that broke off, or one with another way of scoring, asks only what is missing.
"""

import warnings
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from threading import Event, Lock
from typing import Any

import numpy as np

from benchkit.errors import BenchkitError, ConfigError
from benchkit.lm import tokenization
from benchkit.lm.engines.budget import TokenUsage
from benchkit.lm.engines.openai import scoring_replies
from benchkit.lm.engines.openai.bodies import build_scoring_body
from benchkit.lm.engines.openai.budgeted_client import BudgetedClient
from benchkit.lm.engines.openai.config import OpenAIConfig
from benchkit.lm.engines.openai.prefix_scoring import WAYS, PrefixScorer, Way
from benchkit.lm.engines.ordered_map import map_ordered
from benchkit.lm.engines.requests import RejectedRequestError, UnusableReplyError
from benchkit.lm.engines.shared_scoring import agree
from benchkit.lm.types import ContinuationScores, Prompt

_Usage = Mapping[str, float]
_Part = tuple[float | str, int, _Usage]  # log-probability or the cause, tokens, usage
_NOTHING = {"prompt_tokens": 0, "completion_tokens": 0, "requests": 0, "cached": 0}
_FAULTS = (UnusableReplyError, RejectedRequestError)


@dataclass(frozen=True, slots=True)
class _Task:
    """A continuation to score, by a request for it alone."""

    body: dict[str, Any]
    ids: Sequence[int]
    """Token ids of prompt and continuation."""
    start: int
    """Where in `ids` the continuation begins."""
    spellings: Sequence[frozenset[str] | None] = ()
    """How servers may write the continuation's tokens."""

    @property
    def count(self) -> int:
        return len(self.ids) - self.start

    @property
    def reading(self) -> dict[str, Any]:
        # The same tokens may be cut into prompt and continuation elsewhere.
        return {"start": self.start}


class ServerScorer:
    """Scores with one request for each continuation, or by the prefix cache of vLLM.

    Before the latter is used, one continuation is scored in both ways. Where a server does not take
    it, or the ways disagree, each continuation is a request, and a warning says so.
    """

    def __init__(self, config: OpenAIConfig, client: BudgetedClient, tokenizer: Any) -> None:
        self._config = config
        self._client = client
        self._tokenizer = tokenizer
        self._spellings: dict[int, frozenset[str] | None] = {}
        self._lock = Lock()
        # The way that is used for continuations of 1 token, and of 2 or more, once it is known.
        self._ways: dict[int, Way | None] = {}

    def score(
        self, prompts: Sequence[Prompt], continuations: Sequence[Sequence[str]], end: bool
    ) -> Iterator[ContinuationScores]:
        """Yield log-probabilities of each prompt's continuations."""
        # A tokenizer may not be used by several threads: tasks are built in the caller's.
        rows = (
            self._tasks(prompt, texts, end)
            for prompt, texts in zip(prompts, continuations, strict=True)
        )
        if self._config.scores_by == "prefix_cache":
            return self._score_prompts(rows)
        tasks = (task for row in rows for task in row)
        parts = map_ordered(self._request, tasks, self._config.concurrency)
        return (_combine([next(parts) for _ in texts]) for texts in continuations)

    def _tasks(self, prompt: Prompt, texts: Sequence[str], end: bool) -> list[_Task]:
        before = tokenization.prompt_ids(self._tokenizer, prompt)
        if not before:
            raise ConfigError(
                f"prompt {prompt.key!r} has no token", "the first token has no log-probability"
            )
        tasks = []
        for text in texts:
            after = tokenization.continuation_ids(self._tokenizer, text, end)
            ids = [*before, *after]
            echo = self._config.scores_by == "echo"
            spellings = [self._token_spellings(i) for i in after] if echo else []
            body = build_scoring_body(self._config, ids)
            tasks.append(_Task(body, ids, len(before), spellings))
        return tasks

    def _token_spellings(self, token: int) -> frozenset[str] | None:
        if token not in self._spellings:
            self._spellings[token] = scoring_replies.token_spellings(self._tokenizer, token)
        return self._spellings[token]

    def _request(self, task: _Task, stop: Event) -> _Part:
        """Score a continuation by a request of its own."""
        if not task.count:
            return 0.0, 0, {}
        max_usage = TokenUsage(len(task.ids), 1)
        try:
            answer = self._client.ask(
                "completions", task.body, None, self._reader(task), max_usage, stop, task.reading
            )
        except _FAULTS as error:
            return str(error), 0, {}
        return answer["logprob"], task.count, answer["usage"]

    def _reader(self, task: _Task) -> Any:
        def read(reply: Any) -> dict[str, Any]:
            if self._config.scores_by == "echo":
                sum_logprobs = scoring_replies.sum_echo_logprobs
                return {"logprob": sum_logprobs(reply, task.ids, task.start, task.spellings)}
            return {"logprob": scoring_replies.sum_prompt_logprobs(reply, task.ids, task.start)}

        return read

    def _score_prompts(self, rows: Iterable[list[_Task]]) -> Iterator[ContinuationScores]:
        """Yield the scores of each prompt; the passages of all prompts share the threads."""
        workers = self._config.concurrency
        with ThreadPoolExecutor(workers, thread_name_prefix="passages") as pool:
            score = partial(self._score_together, pool=pool)
            with closing(map_ordered(score, rows, workers)) as results:
                yield from map(_combine, results)

    def _score_together(self, tasks: list[_Task], stop: Event, pool: Executor) -> list[_Part]:
        """Score the continuations of one prompt, which no other thread does at the same time."""
        if not tasks:
            return []
        with self._client.exclusive(repr(tasks[0].ids[: tasks[0].start])):
            return self._score_prompt(tasks, stop, pool)

    def _score_prompt(self, tasks: list[_Task], stop: Event, pool: Executor) -> list[_Part]:
        parts = {i: part for i, task in enumerate(tasks) if (part := self._stored(task))}
        open_tasks = {i: task for i, task in enumerate(tasks) if i not in parts}
        if open_tasks:
            way = self._choose_way(list(open_tasks.values()), stop, pool)
            if way is None:
                parts |= {i: self._request(task, stop) for i, task in open_tasks.items()}
            else:
                scores = self._score_by(way, list(open_tasks.values()), stop, pool)
                parts |= zip(open_tasks, scores, strict=True)
        return [parts[i] for i in range(len(tasks))]

    def _stored(self, task: _Task) -> _Part | None:
        if not task.count:
            return 0.0, 0, {}
        answer = self._client.lookup("completions", task.body, None, task.reading)
        return None if answer is None else (answer["logprob"], task.count, answer["usage"])

    def _score_by(
        self, way: Way, tasks: Sequence[_Task], stop: Event, pool: Executor
    ) -> list[_Part]:
        before = tasks[0].ids[: tasks[0].start]
        scorer = PrefixScorer(self._config, self._client, way, before, stop, pool)
        try:
            logprobs = scorer.score([task.ids[task.start :] for task in tasks])
        except _FAULTS as error:
            cause = str(error)
            return [(cause, 0, usage) for usage in self._usages(scorer, tasks)]
        parts: list[_Part] = []
        for task, logprob, usage in zip(tasks, logprobs, self._usages(scorer, tasks), strict=True):
            answer = {"logprob": logprob, "usage": usage}
            stored = self._client.store("completions", task.body, task.reading, answer)
            parts.append((stored["logprob"], task.count, usage))
        return parts

    @staticmethod
    def _usages(scorer: PrefixScorer, tasks: Sequence[_Task]) -> list[_Usage]:
        """Return a usage for each task; what all requests took stands with the first."""
        return [dict(scorer.usage), *[_NOTHING] * (len(tasks) - 1)]

    def _choose_way(self, tasks: Sequence[_Task], stop: Event, pool: Executor) -> Way | None:
        size = min(2, max(task.count for task in tasks))
        with self._lock:
            if size not in self._ways:
                task = min((t for t in tasks if t.count >= size), key=lambda t: t.count)
                # In a cache of its own: else the server would have the tokens that are asked for.
                body = task.body | {"cache_salt": "benchkit"}
                most = TokenUsage(len(task.ids), 1)
                try:
                    answer = self._client.send("completions", body, self._reader(task), most, stop)
                except _FAULTS:
                    return None  # of this prompt, maybe not of the next
                self._ways[size] = self._find_way(task, answer["logprob"], stop, pool)
            return self._ways[size]

    def _find_way(self, task: _Task, reference: float, stop: Event, pool: Executor) -> Way | None:
        """Return the first way by which a continuation has the log-probability that it has."""
        causes: list[str] = []
        for way in WAYS if task.count > 1 else WAYS[-1:]:
            if way == "tokens" and task.count > 1 and self._config.has_budget:
                # It counts the prompt for each token, though it computes it once.
                causes.append("tokens: it would take more of the budget, or cost more")
                continue
            before = task.ids[: task.start]
            scorer = PrefixScorer(self._config, self._client, way, before, stop, pool)
            try:
                [value] = scorer.score([task.ids[task.start :]])
            except (*_FAULTS, BenchkitError) as error:
                causes.append(f"{way}: {str(error).splitlines()[0][:200]}")
                continue
            if agree(value, reference, task.count):
                if causes:
                    self._warn(way, causes)
                return way
            causes.append(f"{way}: {value:.3f} where it gives {reference:.3f} without its cache")
        self._warn(None, causes)
        return None

    def _warn(self, way: Way | None, causes: Sequence[str]) -> None:
        """Tell the user where a better way is shut."""
        if way in WAYS[:2]:
            return
        what = (
            "computes the last tokens of a prompt anew for each token of its continuations"
            if way
            else "computes each prompt anew for each of its continuations"
        )
        warnings.warn(
            f"{self._config.base_url} {what}, which takes several times as long ("
            + "; ".join(causes)
            + "). Hint: start it as vllm serve --enable-scale-out --enable-prompt-tokens-details",
            stacklevel=2,
        )


def _combine(parts: Sequence[_Part]) -> ContinuationScores:
    """Put the continuations of one prompt together."""
    usage: Counter[str] = Counter()
    for _, _, part_usage in parts:
        usage.update(part_usage)
    if faults := [logprob for logprob, _, _ in parts if isinstance(logprob, str)]:
        return ContinuationScores(None, None, "error", dict(usage), faults[0])
    logprobs = [logprob for logprob, _, _ in parts]
    counts = np.array([count for _, count, _ in parts], dtype=np.int64)
    return ContinuationScores(np.array(logprobs, dtype=np.float64), counts, "stop", dict(usage))
