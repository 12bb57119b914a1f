"""What asking a language model would take, before anything is asked."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from benchkit.count_text import count_text

BYTES_PER_TOKEN = 4  # of English
BATCH_PRICE = 0.5  # of a token by the Batch endpoint, at OpenAI and others
REPLY_TOKENS = 150  # of a judge: its reasons in three sentences, and the verdict
ESTIMATE_NOTE = (
    f"likely: each question is asked once, a reply has {REPLY_TOKENS} tokens, and a token"
    f" {BYTES_PER_TOKEN} bytes where the engine has no tokenizer; at most: every reply is asked for"
    " again and as long as it may be, and a byte is a token"
)


class CallCost(NamedTuple):
    """Calls with the tokens of all of them. cost: in the currency of the configured prices, None
    without prices."""

    calls: int
    prompt_tokens: int
    completion_tokens: int
    cost: float | None

    def __str__(self) -> str:
        cost = "cost unknown without prices" if self.cost is None else f"cost {self.cost:,.2f}"
        return (
            f"{count_text(self.calls, 'call')}, {self.prompt_tokens:,} prompt tokens,"
            f" {self.completion_tokens:,} completion tokens, {cost}"
        )


@dataclass(frozen=True, slots=True)
class CostEstimate:
    """What asking would take, at most: tokens of answers are counted at their limit.

    cost: in the currency of the configured prices, None without prices.
    n_cached: questions that need no call.
    likely: what is to be expected instead; None where nothing better than the most is known.
    """

    calls: int
    prompt_tokens: int
    completion_tokens: int
    cost: float | None
    n_cached: int
    likely: CallCost | None = None

    @property
    def upper_bound(self) -> CallCost:
        """What it would take at most, without what is there."""
        return CallCost(self.calls, self.prompt_tokens, self.completion_tokens, self.cost)

    def __add__(self, other: "CostEstimate") -> "CostEstimate":
        """Both together. The cost is known if that of whoever asks is.

        >>> CostEstimate(2, 30, 10, 0.5, 1) + CostEstimate(0, 0, 0, None, 3)
        CostEstimate(calls=2, prompt_tokens=30, completion_tokens=10, cost=0.5, n_cached=4, \
likely=None)
        """
        likely = None
        if self.likely or other.likely:
            likely = _together([one.likely or one.upper_bound for one in (self, other)])
        cached = self.n_cached + other.n_cached
        return CostEstimate(*_together([self.upper_bound, other.upper_bound]), cached, likely)

    def __str__(self) -> str:
        """In words, for a person."""
        if not self.calls:
            cached = f" ({count_text(self.n_cached, 'answer')} there already)"
            return "no call to a language model" + cached * bool(self.n_cached)
        likely = "" if self.likely is None else f"likely {self.likely}; "
        return f"{self.n_cached:,} answered before; {likely}at most {self.upper_bound}"


NO_COST = CostEstimate(0, 0, 0, None, 0)


def _together(loads: Iterable[CallCost]) -> CallCost:
    asking = [load for load in loads if load.calls or load.cost]
    costs = [load.cost for load in asking]
    known = [cost for cost in costs if cost is not None]
    return CallCost(
        sum(load.calls for load in asking),
        sum(load.prompt_tokens for load in asking),
        sum(load.completion_tokens for load in asking),
        sum(known) if known and len(known) == len(costs) else None,
    )


def sum_usage(usages: Iterable[Mapping[str, float]]) -> dict[str, float]:
    """Sum what several answers used, e.g. to {"prompt_tokens": 81200}."""
    total: Counter[str] = Counter()
    for usage in usages:
        total.update(usage)
    return {name: round(float(value), 6) for name, value in sorted(total.items())}
