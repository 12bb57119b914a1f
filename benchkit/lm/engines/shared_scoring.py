"""Which log-probabilities to ask a server for, so that it computes a prompt once.

vLLM keeps the keys and values of prompts in blocks and reads them again (its prefix cache), but
returns log-probabilities of a prompt only for the tokens that it computes. So the prompt is sent
once for the first tokens of all continuations, then with each continuation for the tokens that no
request before has. What a server leaves out, because the cache had it, is asked for token by token.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from benchkit.lm.engines.requests import UnusableReplyError, sum_logprobs

MOST_TOKENS = 128  # that vLLM gives the log-probabilities of at one place

_Path = tuple[int, ...]  # token ids behind the prompt


@dataclass(frozen=True, slots=True)
class NextTokens:
    """The log-probabilities of `tokens`, each as the one that follows the prompt and `prefix`."""

    prefix: _Path
    tokens: _Path

    @property
    def ids(self) -> _Path:
        """What is sent behind the prompt."""
        return self.prefix


@dataclass(frozen=True, slots=True)
class Passage:
    """The log-probabilities of `ids[start:]`, each behind the prompt and all ids before it."""

    ids: _Path
    start: int


class ContinuationTable:
    """The log-probabilities of the continuations of one prompt, token by token.

    A token is known by its path: the continuation up to and with it. Continuations that begin alike
    share it.
    """

    def __init__(self, continuations: Sequence[Sequence[int]]) -> None:
        self.continuations = [tuple(ids) for ids in continuations]
        self._logprobs: dict[_Path, object] = {}
        self._children: dict[_Path, dict[int, None]] = defaultdict(dict)
        for path in self._paths():
            self._children[path[:-1]][path[-1]] = None

    def plan(self) -> list[NextTokens | Passage]:
        """Return the requests, to be computed in this order.

        A passage starts where the one before leaves it. So the cache has none of its tokens, but
        may have the one before it, if a block ends there: then its first token is missing.
        """
        planned: set[_Path] = {(token,) for token in self._children[()]}
        passages: list[Passage] = []
        for ids in dict.fromkeys(self.continuations):
            unknown = [i for i in range(len(ids)) if ids[: i + 1] not in planned]
            if unknown and ids not in self._children:  # else a longer one goes through it
                passages.append(Passage(ids, unknown[0]))
                planned.update(ids[: i + 1] for i in unknown)
        return [*self._next_tokens([()]), *passages]

    def plan_missing(self) -> list[NextTokens]:
        """Return requests for all tokens that are not known yet."""
        return list(self._next_tokens(self._children))

    def add_next(self, request: NextTokens, logprobs: Mapping[int, object]) -> None:
        """Take the answer to a request: token -> log-probability, those that there are."""
        for token in request.tokens:
            if token in logprobs:
                self._logprobs[*request.prefix, token] = logprobs[token]

    def add_passage(self, request: Passage, logprobs: Sequence[object]) -> None:
        """Take the answer to a request: one log-probability a token of `ids[start:]`."""
        for place, value in enumerate(logprobs, request.start + 1):
            self._logprobs[request.ids[:place]] = value

    def sums(self) -> list[float]:
        """Return the log-probability of each continuation.

        Raises:
            UnusableReplyError: One of its tokens is not known, or no log-probability.
        """
        return [
            sum_logprobs([self._logprobs.get(ids[: i + 1]) for i in range(len(ids))])
            for ids in self.continuations
        ]

    def _paths(self) -> Iterator[_Path]:
        for ids in self.continuations:
            yield from (ids[: i + 1] for i in range(len(ids)))

    def _next_tokens(
        self, prefixes: Sequence[_Path] | Mapping[_Path, object]
    ) -> Iterator[NextTokens]:
        for prefix in prefixes:
            tokens = [t for t in self._children[prefix] if (*prefix, t) not in self._logprobs]
            for start in range(0, len(tokens), MOST_TOKENS):
                yield NextTokens(prefix, tuple(tokens[start : start + MOST_TOKENS]))


def agree(value: float, reference: float, tokens: int) -> bool:
    """Return whether two log-probabilities of `tokens` tokens differ by rounding alone.

    Half-precision kernels differ by hundredths a token; those of another token by whole numbers.
    """
    return abs(value - reference) <= max(0.1, 0.05 * tokens)


def read_uncached(rows: object, ids: Sequence[object], first: int, cached: object) -> list[object]:
    """Return the log-probabilities of `ids[first:]` from rows of a prompt that was partly cached.

    vLLM's rows of cached tokens are left out, or hold whatever was in memory. So the rows are
    counted from the end, and the server must say how many tokens it did not compute: the first of
    those it computed predicts the token behind it.

    Args:
        rows: A row a token, {token: log-probability}; those of the first, cached ones may lack.
        ids: Token ids that were sent, as the rows write them.
        first: Where the wanted ones begin.
        cached: How many tokens were in the cache.

    Raises:
        UnusableReplyError: They are not there.
    """
    if not isinstance(cached, int) or isinstance(cached, bool):
        raise UnusableReplyError("it does not say how many tokens were in its cache")
    if cached >= first:
        raise UnusableReplyError("it had tokens of the continuation in its cache")
    if not isinstance(rows, Sequence) or len(rows) not in (len(ids), len(ids) - cached):
        raise UnusableReplyError("it gave another number of log-probabilities than of tokens")
    values: list[object] = []
    for token, row in zip(ids[first:], rows[len(rows) - len(ids) + first :], strict=True):
        if not isinstance(row, Mapping) or token not in row:
            raise UnusableReplyError(f"it gave no log-probability for token {token}")
        values.append(row[token])
    return values
