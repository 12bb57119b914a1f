"""The `openai` engine: any server with OpenAI's interface (the API itself, vLLM, Ollama).

What a server answers is stored in `cache_dir`, by the server's address, the model's name and
revision, the endpoint, the body, the seed, the sample count and how the answer is read. A run that
broke off asks only what is missing.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from threading import Event
from typing import Any, Self

from benchkit.errors import ConfigError
from benchkit.faults import describe_fault
from benchkit.lm.engines.budget import Budget, TokenUsage
from benchkit.lm.engines.openai.batches.fetcher import BatchFetcher, Fetch, samples_reader
from benchkit.lm.engines.openai.budgeted_client import BudgetedClient
from benchkit.lm.engines.openai.config import OpenAIConfig
from benchkit.lm.engines.openai.scoring import ServerScorer
from benchkit.lm.engines.openai.tasks import RequestTask, TaskBuilder
from benchkit.lm.engines.ordered_map import map_ordered
from benchkit.lm.engines.requests import (
    RejectedRequestError,
    UnusableReplyError,
    request_seed,
)
from benchkit.lm.engines.retry import Backoff
from benchkit.lm.types import (
    Completion,
    ContinuationScores,
    Decoding,
    FinishReason,
    Generation,
    Prompt,
)

_Usage = Mapping[str, float]
_Choice = tuple[str, FinishReason, int | None]  # text, finish, tokens where the server counted them
_Drawn = tuple[list[_Choice] | str, _Usage]  # the samples, or why there are none


class OpenAIEngine:
    """Asks a server; see `benchkit.lm.types.Engine`.

    Requests that do not come through, and answers that are not usable, are sent again
    (`max_retries`). If no connection comes about, EngineError; if the answers stay unusable, or the
    server does not take this one request, the prompt ends with `error` and the cause. Other errors
    of the server (wrong key, unknown model, a field that it refuses) raise EngineError or
    ConfigError at once. Whatever was answered by then is in the cache.

    A server that refuses several answers a request is asked for one at a time from then on.

    Greedy decoding asks for one answer and repeats it n times. With api `completions` prompts are
    tokenised here, and a prefill's pieces apart; with `chat` the server tokenises the prefill as
    one text.
    """

    Config = OpenAIConfig
    can_constrain = False

    def __init__(
        self, config: OpenAIConfig, cache_dir: Path, backoff: Backoff | None = None
    ) -> None:
        self.config = config
        self.can_score = config.scores_by != "off"
        self._client = BudgetedClient(
            config, cache_dir, backoff or Backoff(retries=config.max_retries)
        )
        self._tasks = TaskBuilder(config)

    @classmethod
    def from_config(cls, config: OpenAIConfig, load_backbone: object, cache_dir: Path) -> Self:  # noqa: ARG003
        """Build the engine of a configuration; the model is the server's."""
        return cls(config, cache_dir)

    @property
    def budget(self) -> Budget:
        """The budget, with what has been spent."""
        return self._client.budget

    def generate(self, prompts: Sequence[Prompt], decoding: Decoding) -> Iterator[Generation]:
        """Yield `decoding.n` completions of each prompt."""
        if self.config.batch_api:
            return self._generate_by_batches(prompts, decoding)

        def ask(task: RequestTask, stop: Event) -> _Drawn:
            def fetch(body: dict[str, Any], seed: int | None, n: int) -> dict[str, Any] | str:
                return self._request_samples(task, body, seed, n, decoding, stop)

            return self._draw(task, decoding, fetch)

        tasks = (self._tasks.generation_task(prompt, decoding) for prompt in prompts)
        results = map_ordered(ask, tasks, self.config.concurrency)
        return (self._generation(choices, decoding.n, usage) for choices, usage in results)

    def submit(self, prompts: Sequence[Prompt], decoding: Decoding) -> None:
        """Send what `generate` would ask for in batches, without waiting; nothing for live calls.

        Whoever generates the same later, in this process or another, finds these batches.
        """
        if self.config.batch_api:
            fetcher = BatchFetcher(self._client, self.config)
            for prompt in prompts:
                self._draw_by_batches(
                    fetcher, self._tasks.generation_task(prompt, decoding), decoding
                )
            fetcher.submit()

    def report_to(self, note: Callable[[str], None]) -> None:
        """Let a function receive, in words, how batches stand."""
        self._client.batches.note = note

    def _generate_by_batches(
        self, prompts: Sequence[Prompt], decoding: Decoding
    ) -> Iterator[Generation]:
        tasks = [self._tasks.generation_task(prompt, decoding) for prompt in prompts]
        fetcher = BatchFetcher(self._client, self.config)
        results: dict[int, _Drawn] = {}
        while len(results) < len(tasks):
            for row, task in enumerate(tasks):
                if row not in results and (drawn := self._draw_by_batches(fetcher, task, decoding)):
                    results[row] = drawn
            fetcher.run()
        for row in range(len(tasks)):
            choices, usage = results[row]
            yield self._generation(choices, decoding.n, usage)

    def _draw_by_batches(
        self, fetcher: BatchFetcher, task: RequestTask, decoding: Decoding
    ) -> _Drawn | None:
        """Return the samples of a prompt; None where some are to come from a batch."""
        return fetcher.draw(
            lambda fetch: self._draw(task, decoding, fetch), task.size, decoding.max_tokens
        )

    def lookup(self, prompts: Sequence[Prompt], decoding: Decoding) -> Iterator[Generation | None]:
        """Yield what `generate` would give from the cache, None where it would ask the server."""

        def fetch(body: dict[str, Any], seed: int | None, _: int) -> dict[str, Any] | str:
            reading = self.config.reading
            return self._client.lookup(self.config.endpoint, body, seed, reading) or "not stored"

        for prompt in prompts:
            task = self._tasks.generation_task(prompt, decoding)
            choices, usage = self._draw(task, decoding, fetch)
            yield (
                None if isinstance(choices, str) else self._generation(choices, decoding.n, usage)
            )

    def score(
        self, prompts: Sequence[Prompt], continuations: Sequence[Sequence[str]], end: bool = True
    ) -> Iterator[ContinuationScores]:
        """Yield log-probabilities of each prompt's continuations; see `ServerScorer`."""
        if not self.can_score:
            raise ConfigError(
                f"the engine for {self.config.model!r} cannot score",
                "score live: batch_api = false"
                if self.config.batch_api
                else "set tokenizer to the model's folder or id, and scoring to other than 'off'",
            )
        return self._scorer.score(prompts, continuations, end)

    def constrained_choice(
        self,
        prompts: Sequence[Prompt],  # noqa: ARG002
        options: Sequence[Sequence[str]],  # noqa: ARG002
        decoding: Decoding,  # noqa: ARG002
    ) -> Iterator[tuple[int, ...]]:
        """Raise ConfigError: servers constrain the text, not the tokens that a trie goes over."""
        raise ConfigError(
            "an openai engine cannot choose among options",
            "use the in-process engine 'hf', or score the options",
        )

    def count_tokens(self, text: str) -> int:
        """Return the tokens of `text`; without a tokenizer its bytes, which are never fewer."""
        return self._tasks.count_tokens(text)

    @property
    def title_tokenizer(self) -> Any:
        """The tokenizer that the settings name, to be checked with the titles; None without one."""
        return None if self.config.tokenizer is None else self._tasks.tokenizer

    def close(self) -> None:
        """Close the cache's file and the connections; they are opened again when needed."""
        self._client.close()

    # Tasks are built, and answers put together, in the caller's thread (`TaskBuilder`); only
    # `_request_samples` runs in others.

    @cached_property
    def _scorer(self) -> ServerScorer:
        return ServerScorer(self.config, self._client, self._tasks.tokenizer)

    def _draw(self, task: RequestTask, decoding: Decoding, fetch: Fetch) -> _Drawn:
        """Fetch until there are n samples, as servers may give fewer at once.

        The cause stands for them if one of the fetches brings nothing.
        """
        temperature = self.config.sampling_temperature(decoding.temperature)
        sampling = decoding.model_copy(update={"temperature": temperature})
        wanted = decoding.n if temperature else 1
        choices: list[_Choice] = []
        usage: Counter[str] = Counter()
        while len(choices) < wanted:
            missing = wanted - len(choices)
            if missing > 1 and self._client.takes_one_at_a_time:
                missing = 1
            body = task.body | {"n": missing}
            seed = request_seed(sampling, task.prompt.key, len(choices))
            if seed is not None and self.config.sends("seed"):
                body[self.config.wire_name("seed")] = seed
            answer = fetch(body, seed, missing)
            if isinstance(answer, str):
                return answer, dict(usage)
            choices += [(text, finish, count) for text, finish, count in answer["choices"]]
            usage.update(answer["usage"])
        return choices, dict(usage)

    def _request_samples(
        self,
        task: RequestTask,
        body: dict[str, Any],
        seed: int | None,
        n: int,
        decoding: Decoding,
        stop: Event,
    ) -> dict[str, Any] | str:
        """Return the answer to a request for n samples (or the first of them), or the cause."""
        read = samples_reader(self.config, n)
        max_usage = TokenUsage(task.size, n * decoding.max_tokens)
        endpoint, reading = self.config.endpoint, self.config.reading
        try:
            return self._client.ask(endpoint, body, seed, read, max_usage, stop, reading)
        except UnusableReplyError as error:
            return str(error)
        except RejectedRequestError as error:
            rejection = str(error)
        if n == 1:
            return rejection
        # Is it the prompt, or does the server refuse several answers at once?
        one = self._request_samples(task, body | {"n": 1}, seed, 1, decoding, stop)
        if not isinstance(one, str):
            self._client.remember_one_at_a_time()
        return one

    def _generation(self, choices: list[_Choice] | str, n: int, usage: _Usage) -> Generation:
        if isinstance(choices, str):
            return Generation((Completion("", "error", 0, choices),) * n, usage)
        completions = [
            Completion(
                text,
                finish,
                self._completion_tokens(text, finish) if c is None else c,
                describe_fault(finish, text),
            )
            for text, finish, c in choices
        ]
        return Generation(tuple(completions) * (n // len(completions)), usage)

    def _completion_tokens(self, text: str, finish: FinishReason) -> int:
        """Return the tokens of an answer whose server did not count them, with the end of turn."""
        return self.count_tokens(text) + (finish == "stop")
