"""What is sent for a prompt: its body, and what is needed to read the answer.

A tokenizer may not be used by several threads: tasks are built in the caller's.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from benchkit.lm import tokenization
from benchkit.lm.engines.openai.bodies import build_generation_body
from benchkit.lm.engines.openai.config import OpenAIConfig
from benchkit.lm.engines.openai.server_tokenizer import load_tokenizer
from benchkit.lm.types import Decoding, Prompt

_MESSAGE_TOKENS = 16  # that a chat template puts around a message, at most


@dataclass(frozen=True, slots=True)
class RequestTask:
    """A prompt to generate from, which may take several requests."""

    prompt: Prompt
    body: dict[str, Any]
    size: int
    """Tokens of the prompt, at most."""


class TaskBuilder:
    """Builds the tasks of one engine, with the tokenizer that its settings name."""

    def __init__(self, config: OpenAIConfig) -> None:
        self._config = config

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
