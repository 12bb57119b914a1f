"""A figure of a table, with its interval and test."""

from dataclasses import dataclass

SIGNIFICANCE_LEVEL = 0.05


@dataclass(frozen=True)
class Cell:
    """One metric of one row."""

    mean: float
    """Over cases."""
    low: float | None = None
    """Lower end of the 95 % interval over users; None where there are no per-case values."""
    high: float | None = None
    n: int = 0
    """Cases that the mean is over."""
    p: float | None = None
    """Of chance, Holm-adjusted over the rows of its table column."""
    n_users: int | None = None
    """Users whose cases these are; None where each has one."""

    @property
    def users(self) -> int:
        """Number of users, which the interval and the test are over."""
        return self.n if self.n_users is None else self.n_users

    @property
    def above_chance(self) -> bool | None:
        """Whether it is significantly above chance; None where chance says nothing."""
        return None if self.p is None else self.p < SIGNIFICANCE_LEVEL
