"""What may be spent on a server: tokens and money, reserved before each request."""

from dataclasses import dataclass
from threading import Condition

from benchkit.errors import EngineError


@dataclass(frozen=True, slots=True)
class TokenUsage:
    """Tokens of a prompt and of what is generated for it."""

    prompt: int = 0
    completion: int = 0

    def __add__(self, other: "TokenUsage") -> "TokenUsage":
        """Return both together."""
        return TokenUsage(self.prompt + other.prompt, self.completion + other.completion)


class Budget:
    """Counts what requests cost and stops before more is spent than allowed.

    Limits hold for this object: answers from a cache cost nothing, and a repeated run has its whole
    budget. Safe for threads. A request that fits only if others turn out cheaper than reserved
    waits until these are settled.

    Args:
        max_tokens: Tokens of prompts and completions together.
        max_cost: Money, in the currency of the prices.
        price_prompt: Money per million prompt tokens.
        price_completion: Money per million generated tokens.
    """

    def __init__(
        self,
        max_tokens: int | None = None,
        max_cost: float | None = None,
        price_prompt: float = 0.0,
        price_completion: float = 0.0,
    ) -> None:
        self._limits = max_tokens, max_cost
        self._prices = price_prompt, price_completion
        self._open: dict[int, TokenUsage] = {}
        self._next = 0
        self._changed = Condition()
        self._spent = TokenUsage()

    @property
    def spent(self) -> TokenUsage:
        """Return what the settled requests have cost."""
        return self._spent

    def price(self, cost: TokenUsage) -> float:
        """Return the price of these tokens."""
        return (cost.prompt * self._prices[0] + cost.completion * self._prices[1]) / 1e6

    def has_room(self, cost: TokenUsage) -> bool:
        """Return whether a request of this cost fits beside all that is under way."""
        with self._changed:
            return self._fits(_sum([self._spent, cost, *self._open.values()]))

    def charge(self, cost: TokenUsage) -> None:
        """Count what was reserved by another call, and paid for all the same."""
        with self._changed:
            self._spent += cost
            self._changed.notify_all()

    def reserve(self, cost: TokenUsage) -> int:
        """Set aside the most that a request may cost; return a number for `settle`.

        Raises:
            EngineError: It would not fit even if nothing else was under way.
        """
        with self._changed:
            while not self._fits(_sum([self._spent, cost, *self._open.values()])):
                if not self._fits(_sum([self._spent, cost])):
                    raise self._exceeded(cost)
                self._changed.wait()
            self._next += 1
            self._open[self._next] = cost
            return self._next

    def settle(self, number: int, cost: TokenUsage | None = None) -> None:
        """Replace a reservation by what the request has cost; if None, all that was reserved."""
        with self._changed:
            reserved = self._open.pop(number)
            self._spent = _sum([self._spent, reserved if cost is None else cost])
            self._changed.notify_all()

    def _fits(self, cost: TokenUsage) -> bool:
        tokens, money = self._limits
        return (tokens is None or cost.prompt + cost.completion <= tokens) and (
            money is None or self.price(cost) <= money
        )

    def _exceeded(self, cost: TokenUsage) -> EngineError:
        spent = self._spent
        tokens, money = self._limits
        allowed = [f"{tokens:,} tokens"] if tokens is not None else []
        allowed += [f"a cost of {money:g}"] if money is not None else []
        return EngineError(
            f"the budget of {' and '.join(allowed)} is spent: {spent.prompt:,} prompt and "
            f"{spent.completion:,} completion tokens, a cost of {self.price(spent):.4g}; the next "
            f"request may take {cost.prompt + cost.completion:,} tokens",
            "raise max_tokens_total or max_cost and run again: what was answered is cached",
        )


def _sum(costs: list[TokenUsage]) -> TokenUsage:
    return sum(costs, TokenUsage())
