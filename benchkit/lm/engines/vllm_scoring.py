"""Log-probabilities of continuations from vLLM in this process, with each prompt computed once."""

import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import numpy as np

from benchkit.errors import EngineError
from benchkit.lm.engines.requests import UnusableReplyError, sum_logprobs
from benchkit.lm.engines.shared_scoring import (
    ContinuationTable,
    NextTokens,
    Passage,
    agree,
    read_uncached,
)
from benchkit.lm.types import ContinuationScores

Tokens = list[int]
VLLMRequest = tuple[Tokens, dict[str, Any]]
"""Token ids and sampling parameters."""
Run = Callable[[Iterator[VLLMRequest]], Iterator[tuple[Tokens, Any]]]
"""Computes requests; yields the ids and vLLM's result of each, in order."""

# vLLM cannot generate nothing; the one token is ignored. Rows of cached tokens hold arbitrary ids,
# which must not be turned into text.
_COMMON = {"max_tokens": 1, "temperature": 0.0, "detokenize": False}
_WHOLE = _COMMON | {"prompt_logprobs": 0}
_UNUSABLE = (UnusableReplyError, AttributeError, IndexError, KeyError, TypeError, ValueError)


@dataclass(frozen=True, slots=True)
class _Row:
    """A prompt and what is scored behind it."""

    before: Tokens
    continuations: list[Tokens]
    table: ContinuationTable
    plan: Sequence[NextTokens | Passage]
    """Empty where each continuation is sent with the whole prompt."""

    @property
    def requests(self) -> list[VLLMRequest]:
        if self.plan:
            return [_planned(self.before, request) for request in self.plan]
        return [([*self.before, *ids], _WHOLE) for ids in self.continuations]


@dataclass
class VLLMScorer:
    """Scores by vLLM's prefix cache.

    Before the first prompt one of its continuations is scored in both ways (of one token, which is
    easier, and of more). If they disagree, or
    this vLLM cannot do it, each continuation is computed with its whole prompt, and a warning says
    so.
    """

    run: Run
    batch: int
    """Requests at once."""
    obstacle: str = ""
    """Why prompts are not computed once, where that is known beforehand."""
    _checked_sizes: set[int] = field(default_factory=set, init=False)

    def score(self, rows: Iterator[tuple[Tokens, list[Tokens]]]) -> Iterator[ContinuationScores]:
        """Yield the scores of each (prompt, continuations)."""
        for group in self._groups(rows):
            results = self.run(request for row in group for request in row.requests)
            for row in group:
                yield self._combine(row, list(islice(results, len(row.requests))))

    def _groups(self, rows: Iterator[tuple[Tokens, list[Tokens]]]) -> Iterator[list[_Row]]:
        """Yield rows that together have no more requests than one batch."""
        group: list[_Row] = []
        size = 0
        for before, continuations in rows:
            if before and any(continuations):
                self._check(before, continuations)
            table = ContinuationTable(continuations)
            plan = [] if self.obstacle or not before else table.plan()
            row = _Row(before, continuations, table, plan)
            if group and size + len(row.requests) > self.batch:
                yield group
                group, size = [], 0
            group.append(row)
            size += len(row.requests)
        if group:
            yield group

    def _check(self, before: Tokens, continuations: Sequence[Tokens]) -> None:
        """Find out whether the cache can be used, by one continuation, of two tokens or more."""
        size = min(2, max(map(len, continuations)))
        if size in self._checked_sizes:
            return
        self._checked_sizes |= {1, size}
        continuation = min((ids for ids in continuations if len(ids) >= size), key=len)
        # First with the cache, which does not have the continuation yet; the other way ignores it.
        value = None if self.obstacle else self._try(before, continuation)
        [(ids, result)] = self.run(iter([([*before, *continuation], _WHOLE)]))
        try:
            reference = sum_logprobs(_whole_logprobs(ids, result, len(before)))
        except _UNUSABLE:
            return  # then the way makes no difference
        if value is not None and not agree(value, reference, len(continuation)):
            self.obstacle = (
                f"with its prefix cache it gives {value:.3f} where it gives {reference:.3f} without"
            )
        if self.obstacle:
            warnings.warn(
                "vLLM computes each prompt anew for each of its continuations, which takes many"
                f" times as long: {self.obstacle}",
                stacklevel=2,
            )

    def _try(self, before: Tokens, continuation: Tokens) -> float | None:
        """Return a log-probability by the cache; without one, the obstacle is noted."""
        table = ContinuationTable([continuation])
        row = _Row(before, [continuation], table, table.plan())
        try:
            scores = self._combine(row, list(self.run(iter(row.requests))))
        except (EngineError, TypeError) as error:  # e.g. an older vLLM without these parameters
            self.obstacle = f"it cannot read its prefix cache for this ({str(error)[:200]})"
            return None
        if scores.logprobs is None:
            self.obstacle = scores.fault
            return None
        return float(scores.logprobs[0])

    def _combine(self, row: _Row, results: list[tuple[Tokens, Any]]) -> ContinuationScores:
        """Return a prompt's scores, asking for what the cache hid."""
        try:
            if row.plan:
                results += self._complete(row, results)
                sums = row.table.sums()
            else:
                sums = [
                    sum_logprobs(_whole_logprobs(ids, result, len(row.before)))
                    for ids, result in results
                ]
        except _UNUSABLE as error:
            fault = f"vLLM gave no usable log-probabilities ({type(error).__name__}: {error})"
            return ContinuationScores(None, None, "error", {"prompt_tokens": 0}, fault)
        counts = np.array([len(ids) for ids in row.continuations], dtype=np.int64)
        usage = {
            "prompt_tokens": float(len(row.before)),
            "scored_tokens": float(counts.sum()),
            "computed_tokens": float(sum(_computed(*result) for result in results)),
        }
        return ContinuationScores(np.array(sums, dtype=np.float64), counts, "stop", usage)

    def _complete(self, row: _Row, results: list[tuple[Tokens, Any]]) -> list[tuple[Tokens, Any]]:
        """Fill the table of a row; return the results of the further requests that it took."""
        for request, (ids, result) in zip(row.plan, results, strict=True):
            _fill(row, request, ids, result)
        missing = row.table.plan_missing()
        further = list(self.run(_planned(row.before, request) for request in missing))
        for request, (ids, result) in zip(missing, further, strict=True):
            _fill(row, request, ids, result)
        return further


def _planned(before: Tokens, request: NextTokens | Passage) -> VLLMRequest:
    ids = [*before, *request.ids]
    if isinstance(request, NextTokens):
        return ids, _COMMON | {"logprob_token_ids": list(request.tokens)}
    return ids, _WHOLE | {"skip_reading_prefix_cache": False}


def _fill(row: _Row, request: NextTokens | Passage, ids: Tokens, result: Any) -> None:
    """Put a result into the table; one that cannot be used leaves its tokens missing."""
    try:
        if isinstance(request, NextTokens):
            values = {i: entry.logprob for i, entry in result.outputs[0].logprobs[0].items()}
            row.table.add_next(request, values)
        else:
            first = len(row.before) + request.start
            entries = read_uncached(result.prompt_logprobs, ids, first, result.num_cached_tokens)
            row.table.add_passage(request, [entry.logprob for entry in entries])  # type: ignore[attr-defined]
    except _UNUSABLE:
        return


def _whole_logprobs(ids: Tokens, result: Any, start: int) -> list[object]:
    """Return the log-probabilities of `ids[start:]` from a prompt that was not cached."""
    rows = result.prompt_logprobs
    return [row[i].logprob for i, row in zip(ids[start:], rows[start:], strict=True)]


def _computed(ids: Tokens, result: Any) -> int:
    """Return the tokens of a request that were not in the cache."""
    return len(ids) - (getattr(result, "num_cached_tokens", None) or 0)
