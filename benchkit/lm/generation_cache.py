"""Answers of language models on disk: asked once, kept for every later run and process."""

import hashlib
import json
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from benchkit.errors import StoreError
from benchkit.lm.cost_estimate import BYTES_PER_TOKEN, CallCost
from benchkit.lm.types import Decoding, Engine, FinishReason, Prompt

_T = TypeVar("_T")
_PER_MESSAGE = 8  # tokens with which a chat template surrounds a message
# Settings of an engine that say how it is asked, and not what it answers.
_MANNER = {
    "api_key_env", "batch_tokens", "concurrency", "max_cost", "max_retries", "max_tokens_total",
    "price_completion", "price_prompt", "timeout_s",
}  # fmt: skip


def semantic_settings(engine: Mapping[str, Any]) -> dict[str, Any]:
    """Those settings of an engine that an answer depends on."""
    return {name: value for name, value in engine.items() if name not in _MANNER}


def model_name(engine: Mapping[str, Any]) -> str:
    """What the model of an engine's settings is called."""
    names = ("model", "backbone", "kind")
    return next((str(engine[name]) for name in names if engine.get(name)), "a language model")


def price_calls(engine: Mapping[str, Any], calls: int, prompt: int, completion: int) -> CallCost:
    """What calls take, with their cost by the engine's prices, which are per million tokens.

    prompt, completion: tokens of all calls.
    """
    prices = [engine.get(f"price_{part}") for part in ("prompt", "completion")]
    cost = None
    if any(prices):
        cost = (prompt * (prices[0] or 0) + completion * (prices[1] or 0)) / 1_000_000
    return CallCost(calls, prompt, completion, cost)


class CallCount(NamedTuple):
    """Calls, the tokens of their prompts at most and as is likely, and prompts that need none.

    An engine without a tokenizer counts bytes, several of which are a token (`BYTES_A_TOKEN`).
    """

    calls: int
    max_prompt_tokens: int
    likely_prompt_tokens: int
    n_cached: int


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer of the model. cached: it was there already. usage: as the engine tells it."""

    text: str
    finish: FinishReason
    cached: bool
    usage: Mapping[str, float] = field(default_factory=dict)


class GenerationCache:
    """Texts by key in one SQLite file, which several processes may use at once."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def get(self, keys: Sequence[str]) -> dict[str, str]:
        """The texts that are there."""
        if not self._path.exists():
            return {}

        def select(db: sqlite3.Connection) -> dict[str, str]:
            query = "SELECT text FROM answers WHERE key = ?"
            rows = ((key, db.execute(query, (key,)).fetchone()) for key in keys)
            return {key: row[0] for key, row in rows if row is not None}

        return self._run(select)

    def put(self, key: str, text: str) -> str:
        """Keep a text. Returns the one that is kept: the first that any process has put."""

        def insert(db: sqlite3.Connection) -> str:
            db.execute("INSERT OR IGNORE INTO answers VALUES (?, ?)", (key, text))
            row = db.execute("SELECT text FROM answers WHERE key = ?", (key,)).fetchone()
            return str(row[0])

        return self._run(insert)

    def _run(self, act: Callable[[sqlite3.Connection], _T]) -> _T:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with closing(sqlite3.connect(self._path, timeout=60)) as db, db:
                db.execute("CREATE TABLE IF NOT EXISTS answers (key TEXT PRIMARY KEY, text TEXT)")
                return act(db)
        except (sqlite3.Error, OSError) as error:
            raise StoreError(
                f"{self._path}: {error}",
                "free disk space, or remove the file if it is damaged: its answers are then asked"
                " for again",
            ) from error


@dataclass(frozen=True)
class CachedGenerator:
    """Asks an engine what the store does not have.

    engine: gives the engine, when there is something to ask. identity: whatever else an answer
    depends on. store: None keeps nothing. batch: questions given to the engine at once. Decoding
    is for one answer; above temperature 0 a question's name is part of what it is kept under.
    """

    engine: Callable[[], Engine]
    identity: Mapping[str, Any]
    decoding: Decoding
    store: GenerationCache | None
    batch: int

    def generate(self, prompts: Iterable[Prompt], usable: Callable[[str], bool]) -> Iterator[Reply]:
        """A reply a prompt, in order. Whole answers that are `usable` are kept as they arrive."""
        for part in chunks(prompts, self.batch):
            keys = [self._key(prompt) for prompt in part]
            replies = {key: _cached(text) for key, text in self._stored(keys).items()}
            missing = {k: p for k, p in zip(keys, part, strict=True) if k not in replies}
            if missing:
                answers = self.engine().generate(list(missing.values()), self.decoding)
                for key, answer in zip(missing, answers, strict=True):
                    text, finish, _ = answer.completions[0]
                    if self.store is not None and finish == "stop" and usable(text):
                        text = self.store.put(key, text)
                    replies[key] = Reply(text, finish, False, answer.usage)
            for key in keys:
                reply = replies[key]
                yield reply
                if reply.finish == "stop":  # a question in the same words costs nothing more
                    replies[key] = _cached(reply.text)

    def count_calls(self, prompts: Iterable[Prompt]) -> CallCount:
        """What asking would take. Nothing is asked."""
        calls = most = likely = cached = 0
        asked: set[str] = set()
        for part in chunks(prompts, self.batch):
            keys = [self._key(prompt) for prompt in part]
            stored = self._stored(keys)
            for key, prompt in zip(keys, part, strict=True):
                if key in stored or key in asked:
                    cached += 1
                    continue
                asked.add(key)
                calls += 1
                for message in prompt.messages:
                    tokens = self.engine().count_tokens(message.content)
                    size = len(message.content.encode("utf-8", "surrogatepass"))
                    most += tokens + _PER_MESSAGE
                    likely += _about(tokens, size) + _PER_MESSAGE
        return CallCount(calls, most, likely, cached)

    def lookup(self, prompts: Iterable[Prompt]) -> Iterator[str | None]:
        """The answer that is kept to each prompt, None where there is none. Nothing is asked."""
        for part in chunks(prompts, self.batch):
            keys = [self._key(prompt) for prompt in part]
            stored = self._stored(keys)
            yield from (stored.get(key) for key in keys)

    def _stored(self, keys: Sequence[str]) -> dict[str, str]:
        return {} if self.store is None else self.store.get(keys)

    def _key(self, prompt: Prompt) -> str:
        content = {
            "identity": dict(self.identity),
            "decoding": self.decoding.model_dump(mode="json"),
            "name": prompt.key if self.decoding.temperature else "",
            "messages": prompt.messages,
            "begun": prompt.prefill,
        }
        text = json.dumps(content, sort_keys=True, default=str)
        return hashlib.sha256(text.encode()).hexdigest()


def _about(tokens: int, size: int) -> int:
    """How many tokens a text of `size` bytes has that an engine counts as `tokens` at most.

    >>> _about(25, 100), _about(100, 100)
    (25, 25)
    """
    return tokens if tokens < size else -(-size // BYTES_PER_TOKEN)


def _cached(text: str) -> Reply:
    return Reply(text, "stop", True, {"cached": 1.0})


def chunks(values: Iterable[_T], size: int) -> Iterator[list[_T]]:
    """Consecutive lists of `size` values, the last one shorter.

    >>> list(chunks("abcde", 2))
    [['a', 'b'], ['c', 'd'], ['e']]
    """
    rest = iter(values)
    while part := list(islice(rest, size)):
        yield part
