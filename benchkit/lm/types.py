"""Prompts, answers, and the interface of the engines that run language models."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, NonNegativeInt, PositiveInt

if TYPE_CHECKING:
    from benchkit.lm.backbones import Backbone

Role = Literal["system", "user", "assistant"]
BATCH_LINES = 50_000  # requests of a batch, at most, at OpenAI and others
FinishReason = Literal["stop", "length", "refused", "error"]


class Message(NamedTuple):
    """One turn of a conversation."""

    role: Role
    content: str


@dataclass(frozen=True, slots=True)
class Prompt:
    """What a language model is asked."""

    key: str
    """Names the question. Random numbers are drawn for the key, so that an answer depends neither
    on the batch nor on the order in which questions are asked."""
    messages: tuple[Message, ...]
    prefill: tuple[str, ...] = ()
    """How the answer starts, in pieces that are tokenised apart, as in training; what is generated
    or scored comes after it.

    Here, in messages and in continuations, control tokens that stand in texts of items have an
    invisible mark, which keeps a tokenizer from finding them. `lm.tokenization` spells them, and
    `lm.tokens.control_tokens.unquote` takes the marks out."""


class Decoding(BaseModel):
    """How answers are drawn."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, use_attribute_docstrings=True, allow_inf_nan=False
    )

    n: PositiveInt = 1
    """Answers for each prompt."""
    temperature: float = Field(default=0.0, ge=0, le=100)
    """0 is greedy."""
    top_p: float = Field(default=1.0, gt=0, le=1)
    """Nucleus; 1 leaves all tokens."""
    top_k: NonNegativeInt = 0
    """Only so many tokens; 0 leaves all."""
    max_tokens: PositiveInt = 256
    """Longest answer."""
    stop: tuple[str, ...] = ()
    """Texts that end an answer (and are left out of it), besides the model's own end of turn."""
    seed: int = 0
    """Seed of the random numbers."""


class Completion(NamedTuple):
    """One generated text."""

    text: str
    finish: FinishReason
    """`stop` (by itself), `length` (cut off), `refused` (by a filter or in the server's words) or
    `error` (the server answered, but not in a usable way)."""
    tokens: int
    fault: str = ""
    """What the server did, where `finish` is `error`; why there is no text, where it is `length`
    and no text came before the end."""


@dataclass(frozen=True, slots=True)
class Generation:
    """The n completions of one prompt, in draw order."""

    completions: tuple[Completion, ...]
    usage: Mapping[str, float] = field(default_factory=dict)
    """E.g. {"prompt_tokens": 812}."""


@dataclass(frozen=True, slots=True)
class ContinuationScores:
    """Log-probabilities of the c continuations of one prompt.

    Arrays are None, and `finish` says why, when the server gave nothing usable.
    """

    logprobs: NDArray[np.float64] | None
    """[c] sum over the tokens of each, natural logarithm."""
    token_counts: NDArray[np.int64] | None
    """[c] tokens of each."""
    finish: FinishReason = "stop"
    usage: Mapping[str, float] = field(default_factory=dict)
    fault: str = ""
    """What the server did, where `finish` is `error`."""


class EngineSettings(BaseModel):
    """Base of the settings of an engine, which is found by its `kind`."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        protected_namespaces=(),
        use_attribute_docstrings=True,
        allow_inf_nan=False,
    )

    kind: str
    """Name of the engine, or its place: `package.module:Class` or `path/to/file.py:Class`."""

    @property
    def caveats(self) -> tuple[str, ...]:
        """Return what a reader of its answers must know."""
        return ()


class Engine(Protocol):
    """A language model that can be asked.

    Prompt and continuation are tokenised apart and their ids joined, in training, scoring and
    generation alike; a continuation ends with the model's end of turn, which counts as a token,
    unless `end` is False. Results come in the order of the prompts. An engine that cannot go on
    (server gone, budget spent) raises EngineError: nothing is made up for what was not answered.
    """

    can_score: bool
    """Whether `score` works."""
    can_constrain: bool
    """Whether `constrained_choice` works."""

    def generate(self, prompts: Sequence[Prompt], decoding: Decoding) -> Iterator[Generation]:
        """Yield `decoding.n` completions of each prompt."""

    def score(
        self, prompts: Sequence[Prompt], continuations: Sequence[Sequence[str]], end: bool = True
    ) -> Iterator[ContinuationScores]:
        """Yield log-probabilities of each prompt's continuations, teacher-forced."""

    def constrained_choice(
        self, prompts: Sequence[Prompt], options: Sequence[Sequence[str]], decoding: Decoding
    ) -> Iterator[tuple[int, ...]]:
        """Yield `decoding.n` draws of one of each prompt's options, as indices, in draw order.

        Decoding is constrained by a trie: at each token only the tokens with which an option goes
        on may follow, renormalised at the temperature.
        """

    def count_tokens(self, text: str) -> int:
        """Return the tokens of `text`; for an engine without a tokenizer an upper estimate."""


class EngineClass(Protocol):
    """What the registry of engines holds: a class that builds an Engine from settings."""

    Config: type[Any]
    """Its settings, a subclass of EngineSettings."""

    def from_config(
        self, config: Any, load_backbone: "Callable[[], Backbone]", cache_dir: Path
    ) -> Engine:
        """Build the engine (a class method).

        Args:
            config: An instance of `Config`.
            load_backbone: Loads the run's model, for an engine in this process.
            cache_dir: Where an engine may store its answers.
        """


@runtime_checkable
class CachingEngine(Protocol):
    """An engine that stores its answers itself, as one that is paid for each of them does."""

    def lookup(self, prompts: Sequence[Prompt], decoding: Decoding) -> Iterator[Generation | None]:
        """Yield the stored answer to each prompt, None where there is none; asks nothing."""


@runtime_checkable
class BatchEngine(Protocol):
    """An engine that may ask by batches, which take long and say how they stand."""

    def submit(self, prompts: Sequence[Prompt], decoding: Decoding) -> None:
        """Send what `generate` would ask for, and do not wait; nothing where it asks live."""

    def report_to(self, note: Callable[[str], None]) -> None:
        """Let a function receive, in words, how batches stand."""
