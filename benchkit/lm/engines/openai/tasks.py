"""What is sent for a prompt: its body, and what is needed to read the answer.

A tokenizer may not be used by several threads: tasks are built in the caller's.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from benchkit.errors import ConfigError
from benchkit.lm import tokenization
from benchkit.lm.engines.openai import logprobs
from benchkit.lm.engines.openai.bodies import build_generation_body, build_scoring_body
from benchkit.lm.engines.openai.config import OpenAIConfig
from benchkit.lm.engines.openai.server_tokenizer import load_tokenizer
from benchkit.lm.types import Decoding, Prompt

_MESSAGE_TOKENS = 16  # that a chat template puts around a message, at most


@dataclass(frozen=True, slots=True)
class RequestTask:
    """A prompt to generate or to score from, which may take several requests."""

    prompt: Prompt
    body: dict[str, Any]
    size: int
    """Tokens of the prompt, at most."""
    ids: Sequence[int] = ()
    start: int = 0
    """Where in `ids` the continuation begins."""
    spellings: Sequence[frozenset[str] | None] = ()
    """How servers may write the continuation's tokens."""


class TaskBuilder:
    """Builds the tasks of one engine, with the tokenizer that its settings name."""

    def __init__(self, config: OpenAIConfig) -> None:
        self._config = config
        self._spellings: dict[int, frozenset[str] | None] = {}

    @cached_property
    def tokenizer(self) -> Any:
        """The tokenizer; loaded when it is first needed."""
        return load_tokenizer(str(self._config.tokenizer), self._config.trust_remote_code)

    def count_tokens(self, text: str) -> int:
        """Return the tokens of `text`; without a tokenizer its bytes, which are never fewer."""
        if self._config.tokenizer is None:
            return len(text.encode("utf-8", "surrogatepass"))
        return len(tokenization.text_ids(self.tokenizer, text))

    def generation_task(self, prompt: Prompt, decoding: Decoding) -> RequestTask:
        """Return the task of drawing answers to a prompt."""
        ids: list[int] = []
        end: Sequence[int] = ()
        if self._config.api == "completions":
            ids = tokenization.prompt_ids(self.tokenizer, prompt)
            end = tokenization.end_of_turn(self.tokenizer)
        body = build_generation_body(self._config, prompt, decoding, ids, end)
        texts = [*(m.content for m in prompt.messages), *prompt.prefill]
        size = len(ids) or sum(self.count_tokens(text) + _MESSAGE_TOKENS for text in texts)
        return RequestTask(prompt, body, size)

    def scoring_tasks(
        self, prompt: Prompt, texts: Sequence[str], end: bool
    ) -> Iterator[RequestTask]:
        """Yield the task of scoring each continuation of a prompt."""
        before = tokenization.prompt_ids(self.tokenizer, prompt)
        if not before:
            raise ConfigError(
                f"prompt {prompt.key!r} has no token", "the first token has no log-probability"
            )
        for text in texts:
            after = tokenization.continuation_ids(self.tokenizer, text, end)
            ids = [*before, *after]
            echo = self._config.scores_by == "echo"
            spellings = [self._token_spellings(i) for i in after] if echo else []
            body = build_scoring_body(self._config, ids)
            yield RequestTask(prompt, body, len(ids), ids, len(before), spellings)

    def _token_spellings(self, token: int) -> frozenset[str] | None:
        if token not in self._spellings:
            self._spellings[token] = logprobs.token_spellings(self.tokenizer, token)
        return self._spellings[token]
