"""What asking a language model would take, before anything is asked."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Estimate:
    """What asking would take, at most: tokens of answers are counted at their limit.

    cost: in the currency of the configured prices, None without prices.
    already_cached: questions that need no call.
    """

    calls: int
    prompt_tokens: int
    completion_tokens: int
    cost: float | None
    already_cached: int

    def __str__(self) -> str:
        """In words, for a person."""
        if not self.calls:
            cached = f" ({self.already_cached:,} answers are there)" if self.already_cached else ""
            return f"no call to a language model{cached}"
        cost = "cost unknown without prices" if self.cost is None else f"cost {self.cost:,.2f}"
        return (
            f"{self.already_cached:,} answered before; at most {self.calls:,} calls,"
            f" {self.prompt_tokens:,} prompt tokens, {self.completion_tokens:,} completion"
            f" tokens, {cost}"
        )
