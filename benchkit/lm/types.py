"""What every language-model engine offers, wherever the model runs."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, NonNegativeInt, PositiveInt

Role = Literal["system", "user", "assistant"]
FinishReason = Literal["stop", "length", "refused", "error"]


class Message(NamedTuple):
    """One turn of a conversation."""

    role: Role
    content: str


@dataclass(frozen=True, slots=True)
class Prompt:
    """What a language model is asked.

    key: names the question. Random numbers are drawn for the key, so that an answer depends
        neither on the batch nor on the order in which questions are asked.
    prefill: how the answer starts, in pieces that are tokenised apart, as in training; what is
        generated or scored comes after it.
    """

    key: str
    messages: tuple[Message, ...]
    prefill: tuple[str, ...] = ()


class Decoding(BaseModel):
    """How answers are drawn. temperature 0 is greedy; top_k 0 and top_p 1 leave all tokens.

    n: answers a prompt. max_tokens: of one answer. stop: texts that end an answer (left out of
    it), besides the model's own end of turn. seed: what the random numbers start from.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    n: PositiveInt = 1
    temperature: float = Field(default=0.0, ge=0)
    top_p: float = Field(default=1.0, gt=0, le=1)
    top_k: NonNegativeInt = 0
    max_tokens: PositiveInt = 256
    stop: tuple[str, ...] = ()
    seed: int = 0


class Completion(NamedTuple):
    """One generated text. finish: `stop` (by itself), `length` (cut off), `refused` (by a filter
    or in the server's words), `error` (the server answered, but not in a usable way)."""

    text: str
    finish: FinishReason
    tokens: int


@dataclass(frozen=True, slots=True)
class Generation:
    """The n completions of one prompt, in draw order. usage: e.g. {"prompt_tokens": 812}."""

    completions: tuple[Completion, ...]
    usage: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ContinuationScores:
    """Log-probabilities of the continuations of one prompt.

    logprobs: [c] sum over the tokens of each, natural logarithm. tokens: [c] how many these are.
    Both are None, with `finish` saying why, when the server gave nothing usable.
    """

    logprobs: NDArray[np.float64] | None
    token_counts: NDArray[np.int64] | None
    finish: FinishReason = "stop"
    usage: Mapping[str, float] = field(default_factory=dict)


class Engine(Protocol):
    """A language model that can be asked.

    Prompt and continuation are tokenised apart and their ids joined, in training, scoring and
    generation alike; a continuation ends with the model's end of turn, which counts as a token,
    unless `end` is False. Results come in the order of the prompts. An engine that cannot go on
    (server gone, budget spent) raises EngineError: nothing is made up for what was not answered.

    can_score: whether `score` works. can_choose: whether `choose` works.
    """

    can_score: bool
    can_constrain: bool

    def generate(self, prompts: Sequence[Prompt], decoding: Decoding) -> Iterator[Generation]:
        """`decoding.n` completions of each prompt."""

    def score(
        self, prompts: Sequence[Prompt], continuations: Sequence[Sequence[str]], end: bool = True
    ) -> Iterator[ContinuationScores]:
        """Log-probabilities of each prompt's continuations, teacher-forced."""

    def constrained_choice(
        self, prompts: Sequence[Prompt], options: Sequence[Sequence[str]], decoding: Decoding
    ) -> Iterator[tuple[int, ...]]:
        """`decoding.n` draws of one of each prompt's options, as indices, in draw order.

        Decoding constrained by a trie: at each token only the tokens with which an option goes
        on may follow, renormalised at the temperature.
        """

    def count_tokens(self, text: str) -> int:
        """How many tokens `text` is; for an engine without a tokenizer an upper estimate."""
