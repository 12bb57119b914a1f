"""The `openai` engine: any server with OpenAI's interface (the API itself, vLLM, Ollama).

What a server answers is kept in `cache_dir`, keyed by the model's name and revision, the endpoint,
the body, the seed and the sample count; not by the address, since the same model served elsewhere
gives the same answers. A run that broke off asks only what is missing.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np

from benchkit.errors import ConfigError, EngineError
from benchkit.lm import tokenization
from benchkit.lm.engines.budget import Budget, TokenUsage
from benchkit.lm.engines.budgeted_client import BudgetedClient
from benchkit.lm.engines.openai import config as openai_config
from benchkit.lm.engines.openai import replies
from benchkit.lm.engines.openai.config import OpenAIConfig
from benchkit.lm.engines.ordered_map import map_ordered
from benchkit.lm.engines.retry import Backoff, UnusableReplyError
from benchkit.lm.types import (
    Completion,
    ContinuationScores,
    Decoding,
    FinishReason,
    Generation,
    Prompt,
)

__all__ = ["OpenAIConfig", "OpenAIEngine"]

_MESSAGE_TOKENS = 16  # what a chat template puts around a message, at most

_Usage = Mapping[str, float]
_Choice = tuple[str, FinishReason, int | None]  # text, finish, tokens where the server counted them


@dataclass(frozen=True, slots=True)
class _Question:
    """One thing to ask, which may take several requests.

    size: tokens of the prompt, at most. start: where in `ids` a continuation begins; forms: how
    its tokens may be written.
    """

    prompt: Prompt
    body: dict[str, Any]
    size: int
    ids: Sequence[int] = ()
    start: int = 0
    forms: Sequence[frozenset[str] | None] = ()


class OpenAIEngine:
    """Asks a server; see `benchkit.lm.types.Engine`.

    Requests that do not come through, and answers that are not usable, are asked again
    (`max_retries`). If no connection comes about, EngineError; if the answers stay unusable, the
    prompt ends with `error`. Other errors of the server (wrong key, unknown model, bad request)
    raise EngineError or ConfigError at once. Whatever was answered by then is in the cache.

    Greedy decoding asks for one answer and repeats it n times. With api `completions` prompts are
    tokenised here, and with a begun answer nothing crosses its pieces; with `chat` the server
    tokenises the begun answer as one text.
    """

    can_constrain = False

    def __init__(
        self, config: OpenAIConfig, cache_dir: Path, backoff: Backoff | None = None
    ) -> None:
        self.config = config
        self.can_score = config.scores_by != "off"
        self._asker = BudgetedClient(
            config, cache_dir, backoff or Backoff(retries=config.max_retries)
        )
        self._forms: dict[int, frozenset[str] | None] = {}

    @property
    def budget(self) -> Budget:
        """What has been spent."""
        return self._asker.budget

    def generate(self, prompts: Sequence[Prompt], decoding: Decoding) -> Iterator[Generation]:
        """`decoding.n` completions of each prompt."""

        def ask(question: _Question, stop: Event) -> tuple[list[_Choice] | None, _Usage]:
            return self._samples(question, decoding, stop)

        questions = (self._generation(prompt, decoding) for prompt in prompts)
        results = map_ordered(ask, questions, self.config.concurrency)
        return (self._answer(found, decoding.n, usage) for found, usage in results)

    def score(
        self, prompts: Sequence[Prompt], continuations: Sequence[Sequence[str]], end: bool = True
    ) -> Iterator[ContinuationScores]:
        """Log-probabilities of each prompt's continuations, one request each."""
        if not self.can_score:
            raise ConfigError(
                f"the engine for {self.config.model!r} cannot score",
                "set tokenizer to the model's folder or id, and scoring to other than 'off'",
            )
        questions = (
            question
            for prompt, texts in zip(prompts, continuations, strict=True)
            for question in self._scorings(prompt, texts, end)
        )
        results = map_ordered(self._logprob, questions, self.config.concurrency)
        return (_scored([next(results) for _ in texts]) for texts in continuations)

    def constrained_choice(
        self,
        prompts: Sequence[Prompt],  # noqa: ARG002
        options: Sequence[Sequence[str]],  # noqa: ARG002
        decoding: Decoding,  # noqa: ARG002
    ) -> Iterator[tuple[int, ...]]:
        """Not possible: servers constrain the text, not the tokens that a trie goes over."""
        raise ConfigError(
            "an openai engine cannot choose among options",
            "use the in-process engine 'hf', or score the options",
        )

    def count_tokens(self, text: str) -> int:
        """How many tokens `text` is; without a tokenizer its bytes, which are never fewer."""
        if self.config.tokenizer is None:
            return len(text.encode("utf-8", "surrogatepass"))
        return len(tokenization.text_ids(self._tokenizer, text))

    def close(self) -> None:
        """Let go of the cache's file and of the connections, until they are needed again."""
        self._asker.close()

    # Tokenizers are not to be used by several threads: questions are made, and answers put
    # together, in the caller's; only `_samples` and `_logprob` run in others.

    @cached_property
    def _tokenizer(self) -> Any:
        try:
            from transformers import AutoTokenizer
        except ImportError as error:
            raise EngineError("transformers is missing", "pip install 'benchkit[lm]'") from error
        name = str(self.config.tokenizer)
        try:
            return AutoTokenizer.from_pretrained(name)
        except (OSError, ValueError) as error:
            raise ConfigError(
                f"no tokenizer at {name!r}: {str(error)[:200]}", "set tokenizer to a model folder"
            ) from error

    def _generation(self, prompt: Prompt, decoding: Decoding) -> _Question:
        ids: list[int] = []
        end: Sequence[int] = ()
        if self.config.api == "completions":
            ids = tokenization.prompt_ids(self._tokenizer, prompt)
            end = tokenization.end_of_turn(self._tokenizer)
        body = openai_config.build_generation_body(self.config, prompt, decoding, ids, end)
        texts = [*(m.content for m in prompt.messages), *prompt.prefill]
        size = len(ids) or sum(self.count_tokens(text) + _MESSAGE_TOKENS for text in texts)
        return _Question(prompt, body, size)

    def _scorings(self, prompt: Prompt, texts: Sequence[str], end: bool) -> Iterator[_Question]:
        before = tokenization.prompt_ids(self._tokenizer, prompt)
        if not before:
            raise ConfigError(
                f"prompt {prompt.key!r} has no token", "the first token has no log-probability"
            )
        for text in texts:
            after = tokenization.continuation_ids(self._tokenizer, text, end)
            ids = [*before, *after]
            echo = self.config.scores_by == "echo"
            forms = [self._form(i) for i in after] if echo else []
            body = openai_config.build_scoring_body(self.config, ids)
            yield _Question(prompt, body, len(ids), ids, len(before), forms)

    def _form(self, token: int) -> frozenset[str] | None:
        if token not in self._forms:
            self._forms[token] = replies.token_spellings(self._tokenizer, token)
        return self._forms[token]

    def _samples(
        self, question: _Question, decoding: Decoding, stop: Event
    ) -> tuple[list[_Choice] | None, _Usage]:
        """Asks until there are n samples, as servers may give fewer at once; None instead of them
        if one of the requests brings nothing usable."""
        wanted = decoding.n if decoding.temperature else 1
        chat = self.config.api == "chat"
        found: list[_Choice] = []
        usage: Counter[str] = Counter()
        while len(found) < wanted:
            missing = wanted - len(found)
            body = question.body | {"n": missing}
            seed = openai_config.request_seed(decoding, question.prompt.key, len(found))
            if seed is not None and self.config.send_seed:
                body["seed"] = seed

            def read(reply: Any, limit: int = missing) -> dict[str, Any]:
                return {"choices": replies.read_choices(reply, chat, limit)}

            most = TokenUsage(question.size, missing * decoding.max_tokens)
            try:
                value = self._asker.ask(self.config.endpoint, body, seed, read, most, stop)
            except UnusableReplyError:
                return None, dict(usage)
            found += [(text, finish, count) for text, finish, count in value["choices"]]
            usage.update(value["usage"])
        return found, dict(usage)

    def _answer(self, found: list[_Choice] | None, n: int, usage: _Usage) -> Generation:
        if found is None:
            return Generation((Completion("", "error", 0),) * n, usage)
        made = [
            Completion(text, finish, self._counted(text, finish) if count is None else count)
            for text, finish, count in found
        ]
        return Generation(tuple(made) * (n // len(made)), usage)

    def _counted(self, text: str, finish: FinishReason) -> int:
        """Tokens of an answer whose server did not count them, with the end of turn."""
        return self.count_tokens(text) + (finish == "stop")

    def _logprob(self, question: _Question, stop: Event) -> tuple[float | None, int, _Usage]:
        """(log-probability, tokens, usage) of one continuation; None if nothing was usable."""
        ids, start = question.ids, question.start
        if start == len(ids):
            return 0.0, 0, {}

        def read(reply: Any) -> dict[str, Any]:
            if self.config.scores_by == "prompt_logprobs":
                return {"logprob": replies.sum_prompt_logprobs(reply, ids, start)}
            return {"logprob": replies.sum_echo_logprobs(reply, ids, start, question.forms)}

        most = TokenUsage(question.size, 1)
        try:
            value = self._asker.ask("completions", question.body, None, read, most, stop)
        except UnusableReplyError:
            return None, 0, {}
        return value["logprob"], len(ids) - start, value["usage"]


def _scored(parts: Sequence[tuple[float | None, int, _Usage]]) -> ContinuationScores:
    """The continuations of one prompt together."""
    usage: Counter[str] = Counter()
    for _, _, used in parts:
        usage.update(used)
    found = [logprob for logprob, _, _ in parts if logprob is not None]
    if len(found) < len(parts):
        return ContinuationScores(None, None, "error", dict(usage))
    counts = np.array([count for _, count, _ in parts], dtype=np.int64)
    return ContinuationScores(np.array(found, dtype=np.float64), counts, "stop", dict(usage))
