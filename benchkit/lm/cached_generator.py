"""Prompts answered by an engine, each answer stored once: in the engine's cache or in this one."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, NamedTuple, TypeVar

from benchkit.fingerprint import canonical_values
from benchkit.lm.cost_estimate import BATCH_PRICE, BYTES_PER_TOKEN, CallCost
from benchkit.lm.generation_cache import GenerationCache, answer_key
from benchkit.lm.types import (
    BATCH_LINES,
    BatchEngine,
    CachingEngine,
    Decoding,
    Engine,
    FinishReason,
    Prompt,
)

_T = TypeVar("_T")
_TEMPLATE_TOKENS = 8  # that a chat template puts around a message
# Settings of an engine that say how it is asked, and not what it answers.
_TRANSPORT_SETTINGS = {
    "api_key_env", "batch_api", "batch_lines", "batch_megabytes", "batch_poll_s", "batch_price",
    "batch_tokens", "concurrency", "deadline_s", "max_cost", "max_retries",
    "max_tokens_total", "price_completion", "price_prompt", "timeout_s",
}  # fmt: skip


def semantic_settings(engine: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of an engine that affect its answers."""
    return {name: value for name, value in engine.items() if name not in _TRANSPORT_SETTINGS}


def identify_engine(engine: Mapping[str, Any]) -> dict[str, Any]:
    """Return the same with the content of a model's folder, or its commit on the hub.

    A model that was replaced under its name gives other answers.
    """
    return canonical_values(semantic_settings(engine))


def model_name(engine: Mapping[str, Any]) -> str:
    """Return the name of the model in an engine's settings."""
    names = ("model", "backbone", "kind")
    return next((str(engine[name]) for name in names if engine.get(name)), "a language model")


def price_calls(engine: Mapping[str, Any], calls: int, prompt: int, completion: int) -> CallCost:
    """Return the cost of calls by the engine's prices, which are per million tokens.

    By the Batch endpoint they cost a share of that.

    Args:
        engine: Settings of the engine.
        calls: Number of calls.
        prompt: Prompt tokens of all calls.
        completion: Generated tokens of all calls.
    """
    prices = [engine.get(f"price_{part}") for part in ("prompt", "completion")]
    cost = None
    if any(prices):
        share = engine.get("batch_price", BATCH_PRICE) if engine.get("batch_api") else 1
        cost = share * (prompt * (prices[0] or 0) + completion * (prices[1] or 0)) / 1_000_000
    return CallCost(calls, prompt, completion, cost)


def prompts_at_once(engine: Mapping[str, Any], batch: int) -> int:
    """Return how many prompts go to an engine at once: of batches, as many as one may hold.

    Args:
        engine: Settings of the engine.
        batch: Prompts for any other engine.
    """
    return int(engine.get("batch_lines", BATCH_LINES)) if engine.get("batch_api") else batch


class CallCount(NamedTuple):
    """What answering prompts would take.

    An engine without a tokenizer counts bytes, several of which are a token (`BYTES_PER_TOKEN`).
    """

    calls: int
    max_prompt_tokens: int
    likely_prompt_tokens: int
    n_cached: int
    """Prompts that need no call."""


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer of the model."""

    text: str
    finish: FinishReason
    cached: bool
    """Whether it was stored before."""
    usage: Mapping[str, float] = field(default_factory=dict)
    """As the engine reports it; a stored answer has {"cached": 1} alone."""
    fault: str = ""
    """What the engine did wrong, where `finish` is `error`."""


@dataclass(frozen=True)
class CachedGenerator:
    """Asks an engine for the answers that are not stored yet.

    An engine that stores its answers itself (`CachingEngine`) is asked for all of them; answers of
    any other are stored here.
    """

    engine: Callable[[], Engine]
    """Builds the engine; called when there is something to ask, or to count."""
    identity: Mapping[str, Any]
    """Whatever an answer depends on besides decoding and prompt."""
    decoding: Decoding
    """For one answer a prompt. Above temperature 0 the prompt's key is part of the cache's key."""
    cache: GenerationCache | None
    """None stores nothing."""
    batch: int
    """Prompts given to the engine at once."""

    def generate(
        self, prompts: Iterable[Prompt], is_usable: Callable[[str], bool]
    ) -> Iterator[Reply]:
        """Yield a reply for each prompt, in order.

        Complete answers for which `is_usable` is true are stored here as they arrive.
        """
        for part in chunks(prompts, self.batch):
            keys = [self._key(prompt) for prompt in part]
            replies = {key: _cached(text) for key, text in self._read(keys).items()}
            missing = {k: p for k, p in zip(keys, part, strict=True) if k not in replies}
            if missing:
                engine = self.engine()
                answers = engine.generate(list(missing.values()), self.decoding)
                for key, answer in zip(missing, answers, strict=True):
                    text, finish, _, fault = answer.completions[0]
                    if answer.usage.get("cached"):
                        replies[key] = _cached(text, finish)
                        continue
                    if finish == "stop" and is_usable(text):
                        text = self._store(engine, key, text)
                    replies[key] = Reply(text, finish, False, answer.usage, fault)
            for key in keys:
                reply = replies[key]
                yield reply
                if reply.finish == "stop":  # a prompt in the same words costs nothing more
                    replies[key] = _cached(reply.text)

    def submit(self, prompts: Iterable[Prompt]) -> None:
        """Send what is not answered yet, where the engine asks by batches; do not wait for it."""
        engine = self.engine()
        if isinstance(engine, BatchEngine):
            for part in chunks(prompts, self.batch):
                engine.submit(part, self.decoding)

    def count_calls(self, prompts: Iterable[Prompt]) -> CallCount:
        """Count what asking would take, without asking."""
        calls = max_tokens = likely_tokens = n_cached = 0
        new_keys: set[str] = set()
        for part in chunks(prompts, self.batch):
            keys = [self._key(prompt) for prompt in part]
            stored = self._find(part, keys)
            for key, prompt in zip(keys, part, strict=True):
                if key in stored or key in new_keys:
                    n_cached += 1
                    continue
                new_keys.add(key)
                calls += 1
                for message in prompt.messages:
                    tokens = self.engine().count_tokens(message.content)
                    size = len(message.content.encode("utf-8", "surrogatepass"))
                    max_tokens += tokens + _TEMPLATE_TOKENS
                    likely_tokens += _approximate_tokens(tokens, size) + _TEMPLATE_TOKENS
        return CallCount(calls, max_tokens, likely_tokens, n_cached)

    def lookup(self, prompts: Iterable[Prompt]) -> Iterator[str | None]:
        """Yield the stored answer to each prompt, None where there is none, without asking."""
        for part in chunks(prompts, self.batch):
            keys = [self._key(prompt) for prompt in part]
            stored = self._find(part, keys)
            yield from (stored.get(key) for key in keys)

    def _find(self, prompts: Sequence[Prompt], keys: Sequence[str]) -> dict[str, str]:
        """Return the complete answers that are stored here or by the engine."""
        texts = self._read(keys)
        missing = {k: p for k, p in zip(keys, prompts, strict=True) if k not in texts}
        if missing and isinstance(engine := self.engine(), CachingEngine):
            answers = engine.lookup(list(missing.values()), self.decoding)
            for key, answer in zip(missing, answers, strict=True):
                if answer is not None and answer.completions[0].finish == "stop":
                    texts[key] = answer.completions[0].text
        return texts

    def _read(self, keys: Sequence[str]) -> dict[str, str]:
        if self.cache is None:
            return {}
        answers = ((key, self.cache.get(key)) for key in keys)
        return {key: answer["text"] for key, answer in answers if answer is not None}

    def _store(self, engine: Engine, key: str, text: str) -> str:
        if self.cache is None or isinstance(engine, CachingEngine):
            return text
        return str(self.cache.put(key, {"text": text})["text"])

    def _key(self, prompt: Prompt) -> str:
        return answer_key(
            identity=dict(self.identity),
            decoding=self.decoding.model_dump(mode="json"),
            name=prompt.key if self.decoding.temperature else "",
            messages=prompt.messages,
            prefill=prompt.prefill,
        )


def _approximate_tokens(tokens: int, size: int) -> int:
    """Return the likely tokens of a text of `size` bytes that has `tokens` at most.

    >>> _approximate_tokens(25, 100), _approximate_tokens(100, 100)
    (25, 25)
    """
    return tokens if tokens < size else -(-size // BYTES_PER_TOKEN)


def _cached(text: str, finish: FinishReason = "stop") -> Reply:
    return Reply(text, finish, True, {"cached": 1.0})


def chunks(values: Iterable[_T], size: int) -> Iterator[list[_T]]:
    """Yield consecutive lists of `size` values, the last one shorter.

    >>> list(chunks("abcde", 2))
    [['a', 'b'], ['c', 'd'], ['e']]
    """
    rest = iter(values)
    while part := list(islice(rest, size)):
        yield part
