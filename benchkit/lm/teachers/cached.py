"""Answers of language models on disk: asked once, kept for every later run and process."""

import hashlib
import json
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from benchkit.errors import StoreError
from benchkit.lm.engine import Decoding, Engine, Finish, Prompt

_T = TypeVar("_T")
_PER_MESSAGE = 8  # tokens with which a chat template surrounds a message


class Reply(NamedTuple):
    """An answer of the model. cached: it was there already."""

    text: str
    finish: Finish
    cached: bool


class AnswerStore:
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
class Asker:
    """Asks an engine what the store does not have.

    engine: gives the engine, when there is something to ask. identity: whatever else an answer
    depends on. store: None keeps nothing. batch: questions given to the engine at once. Decoding
    is for one answer; above temperature 0 a question's name is part of what it is kept under.
    """

    engine: Callable[[], Engine]
    identity: Mapping[str, Any]
    decoding: Decoding
    store: AnswerStore | None
    batch: int

    def ask(self, prompts: Iterable[Prompt], usable: Callable[[str], bool]) -> Iterator[Reply]:
        """A reply a prompt, in order. Whole answers that are `usable` are kept as they arrive."""
        for part in chunks(prompts, self.batch):
            keys = [self._key(prompt) for prompt in part]
            replies = {key: Reply(text, "stop", True) for key, text in self._stored(keys).items()}
            missing = {k: p for k, p in zip(keys, part, strict=True) if k not in replies}
            if missing:
                answers = self.engine().generate(list(missing.values()), self.decoding)
                for key, answer in zip(missing, answers, strict=True):
                    text, finish, _ = answer.completions[0]
                    if self.store is not None and finish == "stop" and usable(text):
                        text = self.store.put(key, text)
                    replies[key] = Reply(text, finish, False)
            for key in keys:
                yield replies[key]

    def count(self, prompts: Iterable[Prompt]) -> tuple[int, int, int]:
        """Calls, their prompt tokens, and prompts that need none. Nothing is asked."""
        calls = tokens = cached = 0
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
                texts = (message.content for message in prompt.messages)
                tokens += sum(self.engine().count_tokens(text) + _PER_MESSAGE for text in texts)
        return calls, tokens, cached

    def _stored(self, keys: Sequence[str]) -> dict[str, str]:
        return {} if self.store is None else self.store.get(keys)

    def _key(self, prompt: Prompt) -> str:
        content = {
            "identity": dict(self.identity),
            "decoding": self.decoding.model_dump(mode="json"),
            "name": prompt.key if self.decoding.temperature else "",
            "messages": prompt.messages,
            "begun": prompt.begun,
        }
        text = json.dumps(content, sort_keys=True, default=str)
        return hashlib.sha256(text.encode()).hexdigest()


def chunks(values: Iterable[_T], size: int) -> Iterator[list[_T]]:
    """Consecutive lists of `size` values, the last one shorter.

    >>> list(chunks("abcde", 2))
    [['a', 'b'], ['c', 'd'], ['e']]
    """
    rest = iter(values)
    while part := list(islice(rest, size)):
        yield part
