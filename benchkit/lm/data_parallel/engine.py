"""An engine whose requests go to many processes, each of which holds one like it."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from benchkit.count_text import count_text
from benchkit.errors import EngineError
from benchkit.lm.data_parallel.worker_pool import CallReply
from benchkit.lm.types import ContinuationScores, Decoding, Generation, Prompt

_CALLS_PER_WORKER = 4  # of each `generate`: so none waits long for the slowest, or loses much
_NOTE_SECONDS = 10.0


@dataclass(frozen=True)
class EngineCall:
    """A method of an engine, and what it is called with."""

    method: str
    arguments: tuple[Any, ...]
    """First the columns of requests, then what is the same for all of them."""


class DataParallelEngine:
    """Asks engines in other processes; see `benchkit.lm.types.Engine`.

    Random numbers are drawn for a prompt's key, so that an answer does not depend on where, and
    beside which others, it is computed, but for the last digits of sums.

    Args:
        can_score: Whether the engines can.
        can_constrain: Whether the engines can.
        answer: Yields the replies to calls, in order; see `WorkerPool.answer`.
        count: Returns how many processes there are at most; gets `note`.
        part: Requests of one call; None divides them evenly.
        note: Receives, in words, what a user must know.
    """

    def __init__(
        self,
        can_score: bool,
        can_constrain: bool,
        answer: Callable[[Sequence[EngineCall], Callable[[str], object]], Iterator[CallReply]],
        count: Callable[[Callable[[str], object]], int],
        part: int | None,
        note: Callable[[str], object],
    ) -> None:
        self.can_score, self.can_constrain = can_score, can_constrain
        self._answer, self._count, self._part, self._note = answer, count, part, note
        self._notes: set[str] = set()

    def generate(self, prompts: Sequence[Prompt], decoding: Decoding) -> Iterator[Generation]:
        """Yield `decoding.n` completions of each prompt."""
        return self._ask("generate", (prompts,), (decoding,))

    def score(
        self, prompts: Sequence[Prompt], continuations: Sequence[Sequence[str]], end: bool = True
    ) -> Iterator[ContinuationScores]:
        """Yield log-probabilities of each prompt's continuations, teacher-forced."""
        return self._ask("score", (prompts, continuations), (end,))

    def constrained_choice(
        self, prompts: Sequence[Prompt], options: Sequence[Sequence[str]], decoding: Decoding
    ) -> Iterator[tuple[int, ...]]:
        """Yield `decoding.n` draws of one of each prompt's options, as indices, in draw order."""
        return self._ask("constrained_choice", (prompts, options), (decoding,))

    def count_tokens(self, text: str) -> int:
        """Return the bytes of `text`, of which there are no fewer: no process starts to count."""
        return len(text.encode("utf-8", "surrogatepass"))

    def submit(self, prompts: Sequence[Prompt], decoding: Decoding) -> None:
        """Do nothing: it has no batches that would be sent before they are waited for."""

    def report_to(self, note: Callable[[str], object]) -> None:
        """Let a function receive, in words, what a user must know."""
        self._note = note

    def _ask(
        self, method: str, columns: tuple[Sequence[Any], ...], more: tuple[Any, ...]
    ) -> Iterator[Any]:
        total = len(columns[0])
        if not total:
            return
        size = self._part or -(-total // (_CALLS_PER_WORKER * self._count(self._note)))
        starts = range(0, total, size)
        calls = [
            EngineCall(method, (*(column[start : start + size] for column in columns), *more))
            for start in starts
        ]
        noted, done = time.monotonic(), 0
        for call, reply in zip(calls, self._answer(calls, self._note), strict=True):
            for text in reply.notes:
                self._note_once(text)
            yield from reply.results
            if reply.error is not None:
                raise reply.error
            expected = len(call.arguments[0])
            if len(reply.results) != expected:
                raise EngineError(
                    f"an engine gave {count_text(len(reply.results), 'answer')} to"
                    f" {count_text(expected, 'request')}",
                    "its methods have to yield one for each request",
                )
            done += expected
            if time.monotonic() - noted > _NOTE_SECONDS:
                noted = time.monotonic()
                self._note(f"{done:,} of {total:,} requests are answered")

    def _note_once(self, text: str) -> None:
        """Say what a process says, once: each of them says it."""
        if text not in self._notes:
            self._notes.add(text)
            self._note(text)
