"""A figure of a table, with its interval and test."""

from dataclasses import dataclass

SIGNIFICANCE_LEVEL = 0.05


@dataclass(frozen=True)
class Cell:
    """One metric of one row."""

    mean: float
    low: float | None = None
    """Lower end of the 95 % interval over users; None where there are no per-case values."""
    high: float | None = None
    n: int = 0
    """Cases that the mean is over."""
    p: float | None = None
    """Of chance, Holm-adjusted over the rows of its table column."""

    @property
    def above_chance(self) -> bool | None:
        """Whether it is significantly above chance; None where chance says nothing."""
        return None if self.p is None else self.p < SIGNIFICANCE_LEVEL
